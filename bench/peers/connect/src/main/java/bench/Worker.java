package bench;

import java.io.IOException;
import java.io.OutputStream;

import org.apache.kafka.connect.cli.ConnectStandalone;

/** Worker is a standalone worker of Kafka Connect that ends with the benchmark. Its arguments are those of Kafka's own program. */
public final class Worker {
    public static void main(String[] args) {
        // The benchmark holds the other end of this pipe.
        Thread parent = new Thread(() -> {
            try {
                System.in.transferTo(OutputStream.nullOutputStream());
            } catch (IOException e) {
                System.err.println(e);
            }
            System.exit(0);
        });
        parent.setDaemon(true);
        parent.start();
        ConnectStandalone.main(args);
    }

    private Worker() {}
}
