package processors

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/invalid"
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
	return kgo.NoCompression(), invalid.Value("processor.compression", name, "none, snappy, lz4, zstd")
}
