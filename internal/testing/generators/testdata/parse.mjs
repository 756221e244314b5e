// Prints the messages of an AsyncAPI document as the parser resolves them.
import { Parser, fromFile } from '@asyncapi/parser';

const { document, diagnostics } = await fromFile(new Parser(), process.argv[2]).parse();

// Merges the properties and the required names of a schema and of all that it is made of.
function merge(schema, into = { required: [], properties: {} }) {
  for (const part of schema.allOf ?? []) merge(part, into);
  into.required.push(...(schema.required ?? []));
  Object.assign(into.properties, schema.properties ?? {});
  return into;
}

function references(value) {
  if (value === null || typeof value !== 'object') return 0;
  let n = typeof value.$ref === 'string' ? 1 : 0;
  for (const [key, inner] of Object.entries(value)) if (key !== 'examples') n += references(inner);
  return n;
}

const messages = {};
for (const message of document?.allMessages() ?? []) {
  const payload = message.payload()?._schemaObject ?? {};
  const { required, properties } = merge(payload);
  const brief = (ps) => Object.fromEntries(Object.entries(ps).map(([name, p]) => [name, { type: p.type, const: p.const }]));
  messages[message.id()] = {
    name: message.name(),
    payloadID: message.payload()?.id(),
    required: [...new Set(required)].sort(),
    properties: Object.keys(properties).sort(),
    root: { required: payload.required ?? [], properties: brief(payload.properties ?? {}) },
    headers: brief(merge(message.headers()?.json() ?? {}).properties),
    references: references(payload) + references(message.headers()?.json()),
    examples: message.examples().length,
  };
}

// That there is a newer version of AsyncAPI is no fault of the document.
const faults = diagnostics.filter((d) => d.code !== 'asyncapi-latest-version');
process.stdout.write(JSON.stringify({
  diagnostics: faults.map((d) => `${d.path.join('/')}: ${d.message} (${d.code})`),
  messages,
}));
