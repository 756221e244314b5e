package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"
)

func main() {
	seed := flag.Uint64("seed", 0, "first seed; 0: a random one. One alone: with -minutes 0")
	minutes := flag.Float64("minutes", 1, "how long to search")
	flag.Parse()
	os.Exit(run(*seed, time.Duration(*minutes*float64(time.Minute))))
}

func run(seed uint64, length time.Duration) int {
	runtime.LockOSThread()
	if seed == 0 {
		seed = rand.Uint64N(1 << 32)
	}
	kib, err := ordinary()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	fmt.Printf("an ordinary KiB takes %v; seeds from %d\n", kib, seed)
	found, tried := 0, 0
	for until := time.Now().Add(length); ; seed++ {
		f, err := try(seed, kib)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		tried++
		if f != nil {
			found++
			fmt.Println(f)
		}
		if !time.Now().Before(until) {
			break
		}
	}
	fmt.Printf("%d shapes, %d over a bound\n", tried, found)
	if found > 0 {
		return 1
	}
	return 0
}
