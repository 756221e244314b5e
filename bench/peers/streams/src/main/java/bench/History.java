package bench;

import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;

import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.Stores;

/**
 * History splits bodies of history into messages and writes them in the order of phase and chunk_order, each message
 * once: what one would write with Kafka Streams in place of the processor. It knows none of the webhooks' quirks.
 *
 * <p>Arguments: bootstrap servers, input topic, output topic, application id, state folder, replication factor,
 * file of further settings, file to create once it runs.
 */
public final class History {
    private static final int DONE = 0;

    public static void main(String[] args) throws Exception {
        Properties config = new Properties();
        try (FileInputStream in = new FileInputStream(args[6])) {
            config.load(in);
        }
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[3]);
        config.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, args[5]);

        KafkaStreams streams = new KafkaStreams(topology(args[1], args[2]), config);
        CountDownLatch ended = new CountDownLatch(1);
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
                create(Path.of(args[7]));
            } else if (now == KafkaStreams.State.ERROR) {
                ended.countDown();
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        // The pipe's end tells that the benchmark is gone.
        Thread parent = new Thread(() -> {
            try {
                System.in.transferTo(java.io.OutputStream.nullOutputStream());
            } catch (java.io.IOException e) {
                System.err.println(e);
            }
            System.exit(DONE);
        });
        parent.setDaemon(true);
        parent.start();
        streams.start();
        ended.await();
        System.exit(1);
    }

    private static void create(Path file) {
        try {
            Files.writeString(file, "running");
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    static Topology topology(String input, String output) {
        Topology t = new Topology();
        t.addSource("raw", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), input);
        t.addProcessor("resequence", Resequencer::new, "raw");
        t.addStateStore(Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(Resequencer.POSITIONS), Serdes.String(), Serdes.String()).withCachingEnabled(), "resequence");
        t.addStateStore(Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(Resequencer.HELD), Serdes.String(), Serdes.ByteArray()), "resequence");
        t.addStateStore(Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(Resequencer.SEEN), Serdes.String(), Serdes.ByteArray()), "resequence");
        // A business's messages stay in its partition, whatever their key: that is the order the topic promises.
        t.addSink("history", output, Serdes.String().serializer(), Serdes.ByteArray().serializer(),
                (topic, key, value, partitions) -> java.util.Optional.of(java.util.Set.of(Resequencer.PARTITION.get())), "resequence");
        return t;
    }

    private History() {}
}
