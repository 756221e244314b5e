package bench;

import java.io.IOException;
import java.io.UncheckedIOException;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Resequencer lets the chunks of a number leave in the order of phase and chunk_order, and keeps those that come too
 * early in a store. A phase ends with the chunk whose progress is 100; chunk_order starts at 1 in each. A message
 * that left already is left out, unless it ranks higher now.
 */
final class Resequencer implements Processor<byte[], byte[], String, byte[]> {
    static final String POSITIONS = "positions"; // number: phase/chunk_order of the next chunk
    static final String HELD = "held"; // number/phase/chunk_order: a chunk
    static final String SEEN = "seen"; // number/wamid: the highest rank that left

    /** The partition that the running thread works on; the sink asks for it. */
    static final ThreadLocal<Integer> PARTITION = new ThreadLocal<>();

    private static final int FIRST_ORDER = 1;
    private static final int PROGRESS_DONE = 100;

    private final ObjectMapper json = new ObjectMapper();
    private ProcessorContext<String, byte[]> context;
    private KeyValueStore<String, String> positions;
    private KeyValueStore<String, byte[]> held;
    private KeyValueStore<String, byte[]> seen;

    @Override
    public void init(ProcessorContext<String, byte[]> context) {
        this.context = context;
        positions = context.getStateStore(POSITIONS);
        held = context.getStateStore(HELD);
        seen = context.getStateStore(SEEN);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        PARTITION.set(context.taskId().partition());
        try {
            for (JsonNode entry : json.readTree(record.value()).path("entry")) {
                for (JsonNode change : entry.path("changes")) {
                    if (!change.path("field").asText().equals("history")) {
                        continue;
                    }
                    JsonNode value = change.path("value");
                    for (JsonNode chunk : value.path("history")) {
                        take(entry.path("id").asText(), value.path("metadata"), chunk, record.timestamp());
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void take(String business, JsonNode metadata, JsonNode chunk, long time) throws IOException {
        String number = metadata.path("phone_number_id").asText();
        int phase = chunk.path("metadata").path("phase").asInt();
        int order = chunk.path("metadata").path("chunk_order").asInt();
        String position = positions.get(number);
        int nextPhase = 0;
        int nextOrder = FIRST_ORDER;
        if (position != null) {
            int slash = position.indexOf('/');
            nextPhase = Integer.parseInt(position, 0, slash, 10);
            nextOrder = Integer.parseInt(position, slash + 1, position.length(), 10);
        }
        if (phase < nextPhase || phase == nextPhase && order < nextOrder) {
            return; // it left already
        }
        if (phase != nextPhase || order != nextOrder) {
            held.put(key(number, phase, order), json.writeValueAsBytes(chunk));
            return;
        }
        while (true) {
            leave(business, metadata, number, chunk, time);
            if (chunk.path("metadata").path("progress").asInt() >= PROGRESS_DONE) {
                nextPhase++;
                nextOrder = FIRST_ORDER;
            } else {
                nextOrder++;
            }
            byte[] next = held.delete(key(number, nextPhase, nextOrder));
            if (next == null) {
                break;
            }
            chunk = json.readTree(next);
        }
        positions.put(number, nextPhase + "/" + nextOrder);
    }

    private static String key(String number, int phase, int order) {
        return number + "/" + phase + "/" + order;
    }

    private void leave(String business, JsonNode metadata, String number, JsonNode chunk, long time) throws IOException {
        for (JsonNode thread : chunk.path("threads")) {
            String contact = thread.path("id").asText();
            for (JsonNode message : thread.path("messages")) {
                String wamid = message.path("id").asText();
                byte rank = rank(message.path("type").asText());
                String known = number + "/" + wamid;
                byte[] was = seen.get(known);
                if (was != null && was[0] >= rank) {
                    continue;
                }
                seen.put(known, new byte[] {rank});
                ObjectNode event = json.createObjectNode();
                event.put("waba_id", business);
                event.put("phone_number_id", number);
                event.set("display_phone_number", metadata.path("display_phone_number"));
                event.put("thread", contact);
                event.put("wamid", wamid);
                event.set("timestamp", message.path("timestamp"));
                event.set("type", message.path("type"));
                event.set("sync", chunk.path("metadata"));
                event.set("original", message);
                context.forward(new Record<>(number + "/" + contact, json.writeValueAsBytes(event), time));
            }
        }
    }

    private static byte rank(String type) {
        return switch (type) {
            case "media_placeholder", "unsupported" -> 0;
            case "edit" -> 2;
            case "revoke" -> 3;
            default -> 1;
        };
    }
}
