// One case a run: node client.mjs CASE. Base URL and key come from the environment, as an
// application's would. Failure is an exception and a status other than 0.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const messages = [{role: 'user', content: 'What is the capital of France?'}];
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: {type: 'object', properties: {city: {type: 'string'}}, required: ['city']},
  },
};
const client = new OpenAI({maxRetries: 0, timeout: 20000});

const cases = {
  async chat() {
    const {data, response} = await client.chat.completions.create({model: 'auto', messages})
        .withResponse();
    assert.equal(data.choices[0].finish_reason, 'stop');
    assert.match(data.choices[0].message.content, /^the cost of each/);
    assert.equal(response.headers.get('x-jevons-target'), 'local-moe');
    assert.match(response.headers.get('x-jevons-cost-usd'), /^0\.\d{9}$/);
  },
  async stream() {
    let text = '';
    const stream = await client.chat.completions.create({model: 'auto', messages, stream: true});
    for await (const chunk of stream) {
      assert.equal(chunk.choices.length, 1);
      text += chunk.choices[0].delta.content ?? '';
    }
    assert.match(text, /^the cost of each/);
  },
  async stream_with_usage() {
    const chunks = [];
    const stream = await client.chat.completions.create(
        {model: 'auto', messages, stream: true, stream_options: {include_usage: true}});
    for await (const chunk of stream) chunks.push(chunk);
    const last = chunks.at(-1);
    assert.equal(last.choices.length, 0);
    assert.equal(last.usage.completion_tokens, 16);
    assert.equal(last.x_jevons.target, 'local-moe');
  },
  async tools() {
    const answer = await client.chat.completions.create(
        {model: 'sonnet', messages, tools: [weather], tool_choice: 'required'});
    const call = answer.choices[0].message.tool_calls[0];
    assert.deepEqual(JSON.parse(call.function.arguments), {city: 'Paris'});
    const second = await client.chat.completions.create({
      model: 'sonnet',
      tools: [weather],
      messages: [...messages, answer.choices[0].message,
                 {role: 'tool', tool_call_id: call.id, content: 'sunny'}],
    });
    assert.equal(second.choices[0].finish_reason, 'stop');
  },
  async streamed_tools() {
    const runner = client.chat.completions.stream(
        {model: 'flash-lite', messages, tools: [weather], tool_choice: 'required'});
    const final = await runner.finalChatCompletion();
    assert.equal(final.choices[0].message.tool_calls[0].function.name, 'weather');
  },
  async json_schema() {
    const schema = {type: 'object', properties: {n: {type: 'integer'}}, required: ['n'],
                    additionalProperties: false};
    const answer = await client.chat.completions.create({
      model: 'gpt', messages,
      response_format: {type: 'json_schema', json_schema: {name: 'x', schema, strict: true}},
    });
    assert.deepEqual(JSON.parse(answer.choices[0].message.content), {n: 7});
  },
  async embeddings() {
    const answer = await client.embeddings.create({model: 'embed', input: ['a'], dimensions: 4});
    assert.deepEqual(answer.data[0].embedding, [-0.5, -0.3125, -0.125, 0.0625]);
  },
  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes('sonnet') && ids.includes('auto'), ids.join());
  },
  async unknown_model() {
    await assert.rejects(client.chat.completions.create({model: 'nothing', messages}), error => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, 'model_not_found');
      assert.ok(error.requestID);
      return true;
    });
  },
  async wrong_key() {
    const other = new OpenAI({apiKey: 'jv-nobody-' + 'x'.repeat(43), maxRetries: 0});
    await assert.rejects(other.models.list(), OpenAI.AuthenticationError);
  },
  async cancel() {
    const stream = await client.chat.completions.create({model: 'slow', messages, stream: true});
    let seen = 0;
    for await (const chunk of stream) {
      if (++seen === 5) stream.controller.abort();
    }
    assert.ok(seen >= 5 && seen < 200, `${seen} chunks`);
  },
  async retries() {
    const patient = new OpenAI({maxRetries: 2, timeout: 20000});
    const answer = await patient.chat.completions.create({model: 'flaky', messages});
    assert.equal(answer.choices[0].finish_reason, 'stop');
  },
};

const name = process.argv[2];
if (name === '--list') {
  console.log(Object.keys(cases).join('\n'));
} else {
  await cases[name]();
}
