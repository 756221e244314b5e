package bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Date;
import java.util.HashMap;
import java.util.Map;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.storage.Converter;

/**
 * EventConverter turns an event into the row of a message. The events have no schema, and the sink takes nothing without one. Kafka's own
 * JsonConverter can be given a schema, but it cannot keep `original` as a text. This one reads a value once.
 */
public final class EventConverter implements Converter {
    private static final JsonFactory JSON = new JsonFactory();
    private static final String[] TEXTS = {
        "phone_number_id", "wamid", "event_id", "kind", "type", "thread", "chat", "group_id", "wa_id", "user_id", "direction", "sender", "recipient", "text", "original"
    };
    private static final Schema ROW = schema();

    private static Schema schema() {
        SchemaBuilder b = SchemaBuilder.struct().name("message");
        for (String name : TEXTS) {
            b.field(name, Schema.STRING_SCHEMA);
        }
        return b.field("at", Timestamp.builder().optional().build()).field("sort_at", Timestamp.SCHEMA)
            .field("historical", Schema.BOOLEAN_SCHEMA).field("standby", Schema.BOOLEAN_SCHEMA).field("sync_window", Schema.INT64_SCHEMA).build();
    }

    @Override
    public void configure(Map<String, ?> configs, boolean isKey) {}

    @Override
    public byte[] fromConnectData(String topic, Schema schema, Object value) {
        throw new DataException("events are only read");
    }

    @Override
    public SchemaAndValue toConnectData(String topic, byte[] value) {
        return toConnectData(topic, null, value);
    }

    @Override
    public SchemaAndValue toConnectData(String topic, Headers headers, byte[] value) {
        if (value == null) {
            return SchemaAndValue.NULL;
        }
        Map<String, String> texts = new HashMap<>();
        Struct row = new Struct(ROW).put("historical", false).put("standby", false).put("sync_window", 0L);
        Date at = new Date(0);
        try (JsonParser p = JSON.createParser(value)) {
            p.nextToken();
            while (p.nextToken() == JsonToken.FIELD_NAME) {
                String name = p.currentName();
                JsonToken token = p.nextToken();
                switch (name) {
                    case "contact" -> strings(p, texts);
                    case "from" -> texts.put("sender", p.getText());
                    case "to" -> texts.put("recipient", p.getText());
                    case "timestamp" -> {
                        at = new Date(p.getLongValue() * 1000);
                        row.put("at", at);
                    }
                    case "historical", "standby" -> row.put(name, p.getBooleanValue());
                    case "sync" -> row.put("sync_window", window(p));
                    case "original" -> {
                        int begin = (int) p.currentTokenLocation().getByteOffset();
                        texts.put("text", text(p, texts.get("type")));
                        texts.put(name, new String(value, begin, (int) p.currentLocation().getByteOffset() - begin, StandardCharsets.UTF_8));
                    }
                    default -> {
                        if (token == JsonToken.VALUE_STRING) {
                            texts.put(name, p.getText());
                        } else {
                            p.skipChildren();
                        }
                    }
                }
            }
        } catch (IOException e) {
            throw new DataException("the value is no event", e);
        }
        texts.put("chat", texts.get("thread"));
        Header id = headers == null ? null : headers.lastHeader("ce_id");
        if (id != null) {
            texts.put("event_id", new String(id.value(), StandardCharsets.UTF_8));
        }
        for (String name : TEXTS) {
            row.put(name, texts.getOrDefault(name, ""));
        }
        return new SchemaAndValue(ROW, row.put("sort_at", at));
    }

    /** strings takes the texts of an object. */
    private static void strings(JsonParser p, Map<String, String> texts) throws IOException {
        while (p.nextToken() == JsonToken.FIELD_NAME) {
            String name = p.currentName();
            if (p.nextToken() == JsonToken.VALUE_STRING) {
                texts.put(name, p.getText());
            } else {
                p.skipChildren();
            }
        }
    }

    private static long window(JsonParser p) throws IOException {
        long window = 0;
        while (p.nextToken() == JsonToken.FIELD_NAME) {
            String name = p.currentName();
            p.nextToken();
            if (name.equals("window")) {
                window = p.getLongValue();
            } else {
                p.skipChildren();
            }
        }
        return window;
    }

    /** text is the body or the caption of a message, in the object that its type names. It leaves the parser at the end of the message. */
    private static String text(JsonParser p, String type) throws IOException {
        String found = "";
        while (p.nextToken() == JsonToken.FIELD_NAME) {
            boolean content = p.currentName().equals(type);
            if (p.nextToken() != JsonToken.START_OBJECT || !content) {
                p.skipChildren();
                continue;
            }
            while (p.nextToken() == JsonToken.FIELD_NAME) {
                String name = p.currentName();
                p.nextToken();
                if (name.equals("body") || name.equals("caption")) {
                    found = p.getText();
                } else {
                    p.skipChildren();
                }
            }
        }
        return found;
    }
}
