package processors

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// codec returns the compression codec of a configured name. The error lists the allowed names.
func codec(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "none":
		return kgo.NoCompression(), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	}
	return kgo.NoCompression(), fmt.Errorf("processor.compression: %q; allowed: none, snappy, lz4, zstd", name)
}
