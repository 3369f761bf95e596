"""first_question.py BASE_URL QUESTION: asks model "auto", shows the answer as it comes, and its price."""

import sys

import openai


def main(url, question):
    client = openai.OpenAI(base_url=url, api_key="none")
    print(f"> {question}\n")
    last = None
    for chunk in client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": question}], temperature=0,
            max_tokens=200, stream=True, stream_options={"include_usage": True}):
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
        last = chunk
    cost = last.model_extra["x_jevons"]
    usage = last.usage
    print(f"\n\ntarget  {cost['target']} ({last.model})")
    print(f"tokens  {usage.prompt_tokens} read, {usage.completion_tokens} written")
    print(f"cost    {cost['cost_usd']:.9f} USD, the share of this machine that the answer took")
    if cost.get("baseline_cost_usd"):
        print(f"instead {cost['baseline_cost_usd']:.9f} USD, the same tokens at the baseline, which was not called")


if __name__ == "__main__":
    main(*sys.argv[1:])
