// Command s3server is a server that speaks S3, for tests that kill it: an object that was acknowledged is on the disk.
//
// It is gofakes3 with a bucket in memory, which is read from a folder at the start. An object is written to the folder with fsync before it
// is in memory, so no client sees one that a kill could take back.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/johannesboyne/gofakes3"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address on loopback")
	dir := flag.String("dir", "", "folder of the objects")
	bucket := flag.String("bucket", "archive", "name of the bucket")
	flag.Parse()
	b, err := open(*dir, *bucket)
	if err == nil {
		server := &http.Server{Addr: *listen, Handler: gofakes3.New(b).Server(), ReadHeaderTimeout: time.Minute}
		err = server.ListenAndServe()
	}
	fmt.Fprintln(os.Stderr, "s3server:", err)
	os.Exit(1)
}
