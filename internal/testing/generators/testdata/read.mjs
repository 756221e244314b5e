// Reads every golden event with the types of quicktype, which check what they read, and compares what they write again.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { Convert } from './out/events.js';

const { Types, Events } = JSON.parse(readFileSync('events.json', 'utf8'));
const types = Object.fromEntries(Types.map(({ Schema, Type }) => [Schema, Type]));
const times = new Set(['opened_at', 'last_chunk_at', 'deadline_at', 'ended_at', 'since', 'at', 'expires_at']);
const read = (text) => JSON.parse(text, (key, value) => (times.has(key) && typeof value === 'string' ? new Date(value).toJSON() : value));

for (const { Schema, Name } of Events) {
  const text = readFileSync(`golden/${Schema}/${Name}.json`, 'utf8');
  const type = types[Schema];
  const value = Convert[`to${type}`](text);
  const again = Convert[`${type[0].toLowerCase()}${type.slice(1)}ToJson`](value);
  assert.deepStrictEqual(read(again), read(text), `${Schema} ${Name}`);
}
console.log(Events.length);
