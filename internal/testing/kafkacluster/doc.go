// Package kafkacluster runs Apache Kafka on loopback for tests and benchmarks: one broker or three, in KRaft
// mode, each of them a controller too, from the jars of the Maven registry. No container engine, nothing
// installed by hand: Maven and a Java runtime are installed where they are missing and may be installed.
//
//	c, err := kafkacluster.Start(ctx, kafkacluster.Config{Brokers: 3, MinISR: 2})
//	defer c.Close()
//	… c.Addrs() …
//	c.Broker(1).Kill()
//
// Listeners: Addrs are those of a plain listener that nothing stands in the way of. Config.Clients adds more,
// each with its own port and, by Config.Advertise, its own advertised address, so that a proxy can
// stand between the cluster and one group of clients. Config.Between lets one stand between each two of the
// brokers. Config.Secure adds listeners with TLS, SASL or both.
package kafkacluster
