// The local model through the official SDK for Node: node local.mjs. Prints what the test checks.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const client = new OpenAI({maxRetries: 0, timeout: 60000});
const messages = [{role: 'user', content: 'Explain in two sentences why the sky is blue.'}];
let text = '';
let chunks = 0;
let last = null;
const stream = await client.chat.completions.create({
  model: 'auto', messages, temperature: 0, max_tokens: 80, stream: true,
  stream_options: {include_usage: true},
});
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta.content ?? '';
  chunks += 1;
  last = chunk;
}
assert.ok(chunks > 20, `${chunks} chunks`);
assert.match(text, /scatter/);
const schema = {type: 'object', properties: {n: {type: 'integer', minimum: 1, maximum: 9}},
                required: ['n'], additionalProperties: false};
const answer = await client.chat.completions.create({
  model: 'smollm2', messages: [{role: 'user', content: 'Give a number in JSON.'}], max_tokens: 60,
  response_format: {type: 'json_schema', json_schema: {name: 'number', schema, strict: true}},
});
const parsed = JSON.parse(answer.choices[0].message.content);
assert.ok(Number.isInteger(parsed.n) && parsed.n >= 1 && parsed.n <= 9);
console.log(JSON.stringify({text, usage: last.usage, x_jevons: last.x_jevons}));
