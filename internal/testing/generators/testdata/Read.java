import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/** Reads every golden event with the generated types, and compares what their fields hold with what was read. */
public class Read {
    static final String PACKAGE = "com.example.events";
    /** The vendor's objects, which have no fields of their own. */
    static final List<String> VERBATIM = List.of("Original", "Decline");

    public static void main(String[] args) throws Exception {
        ObjectMapper mapper = new ObjectMapper().disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS);
        JsonNode index = mapper.readTree(Files.readAllBytes(Path.of("events.json")));
        Map<String, Class<?>> types = new HashMap<>();
        for (JsonNode type : index.get("Types")) {
            types.put(type.get("Schema").asText(), Class.forName(PACKAGE + "." + type.get("Type").asText()));
        }
        int read = 0;
        for (JsonNode event : index.get("Events")) {
            String schema = event.get("Schema").asText();
            String name = schema + " " + event.get("Name").asText();
            byte[] text = Files.readAllBytes(Path.of("golden", schema, event.get("Name").asText() + ".json"));
            Object value = mapper.readValue(text, types.get(schema));
            hasFields(value, name);
            same(mapper.valueToTree(value), mapper.readTree(text), name);
            read++;
        }
        System.out.println(read);
    }

    /** Fails when something is in no field but among the additional properties. */
    static void hasFields(Object value, String path) throws Exception {
        if (value instanceof Iterable<?> list) {
            for (Object item : list) {
                hasFields(item, path);
            }
        }
        if (value == null || value.getClass().isEnum() || !value.getClass().getName().startsWith(PACKAGE + ".")) {
            return;
        }
        String type = value.getClass().getSimpleName().replaceAll("__[0-9]+$", "");
        if (!VERBATIM.contains(type)) {
            Method additional = value.getClass().getMethod("getAdditionalProperties");
            if (!((Map<?, ?>) additional.invoke(value)).isEmpty()) {
                throw new AssertionError(path + ": " + type + " has no fields for " + additional.invoke(value));
            }
        }
        for (Class<?> c = value.getClass(); c != Object.class; c = c.getSuperclass()) {
            for (Field field : c.getDeclaredFields()) {
                field.setAccessible(true);
                hasFields(field.get(value), path + "." + field.getName());
            }
        }
    }

    /** Fails when two trees differ other than in the spelling of a time. */
    static void same(JsonNode got, JsonNode want, String path) {
        if (want.isObject() && got.isObject()) {
            if (got.size() != want.size()) {
                throw new AssertionError(path + ": " + got + ", want " + want);
            }
            for (Iterator<String> names = want.fieldNames(); names.hasNext(); ) {
                String name = names.next();
                same(got.path(name), want.get(name), path + "." + name);
            }
        } else if (want.isArray() && got.size() == want.size()) {
            for (int i = 0; i < want.size(); i++) {
                same(got.get(i), want.get(i), path + "[" + i + "]");
            }
        } else if (!got.equals(want) && !got.asText().equals(want.asText()) && !time(got).equals(time(want))) {
            throw new AssertionError(path + ": " + got + ", want " + want);
        }
    }

    static Object time(JsonNode value) {
        try {
            return OffsetDateTime.parse(value.asText()).toInstant();
        } catch (java.time.format.DateTimeParseException e) {
            return value;
        }
    }
}
