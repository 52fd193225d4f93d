// OpenAI's client for Node on our gateway: `node gateway_node.mjs`, with OPENAI_BASE_URL and OPENAI_API_KEY.
import OpenAI from "openai";

const client = new OpenAI();
const ask = (content, more = {}) =>
  client.chat.completions.create({ model: "small", messages: [{ role: "user", content }], ...more });

const { data, response } = await ask("Name a prime above 100.").withResponse();
console.log(data.choices[0].message.content, "by", data.model, "for $", response.headers.get("x-gateway-cost"));

let text = [];
let usage;
for await (const chunk of await ask("Count.", { stream: true, stream_options: { include_usage: true } })) {
  if (chunk.choices[0]?.delta.content) text.push(chunk.choices[0].delta.content);
  usage = chunk.usage ?? usage;
}
console.log(text.join("|"), usage.completion_tokens, "tokens");

const tool = { type: "function", function: { name: "get_weather", parameters: { type: "object", properties: {} } } };
const [call] = (await ask("What does get_weather say of Oslo?", { tools: [tool] })).choices[0].message.tool_calls;
console.log(call.function.name, call.function.arguments);

const schema = { type: "object", properties: { name: { type: "string" }, minutes: { type: "integer" } } };
const answer = await ask("Bread.", { response_format: { type: "json_schema", json_schema: { name: "recipe", schema } } });
console.log(JSON.parse(answer.choices[0].message.content));

try {
  await ask("Hello", { model: "smal" });
} catch (error) {
  console.log(error.constructor.name, error.status, error.code, error.error.message);
}
