// Command benthos is Benthos (today Redpanda Connect) with the parts that stand between HTTP and Kafka: its http_server
// input and its kafka_franz output. config.yaml says how they are set, and why.
package main

import (
	"context"

	"github.com/benthosdev/benthos/v4/public/service"

	_ "github.com/benthosdev/benthos/v4/public/components/io"
	_ "github.com/benthosdev/benthos/v4/public/components/kafka"
	_ "github.com/benthosdev/benthos/v4/public/components/pure"
)

func main() { service.RunCLI(context.Background()) }
