"""Spends at most a cent on a pile of questions, in four threads. Needs WANDB_API_KEY and WANDB_PROJECT."""

from concurrent.futures import ThreadPoolExecutor

from wandb_inference import Budget, BudgetExceededError, Client, budget

QUESTIONS = [f"Say something about the number {number}, in one sentence." for number in range(200)]


def ask(client: Client, question: str) -> str | None:
    """The answer; `None` where there is no money left for it."""
    try:
        answer = client.chat.completions.create(
            model="meta-llama/Llama-3.3-70B-Instruct",
            messages=[{"role": "user", "content": question}],
            max_tokens=200,  # what is set aside for each call until it is over
        )
    except BudgetExceededError:
        return None
    return answer.text


def ask_all(client: Client, limit: Budget) -> list[str]:
    """The answers that the budget allowed. A pool's threads do not inherit it: so the client is bound to it."""
    bound = client.with_options(budget=limit)
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(lambda question: ask(bound, question), QUESTIONS)
    return [answer for answer in answers if answer]


with Client() as client:
    cent = budget(usd="0.01")
    print(len(ask_all(client, cent)), "answers of", len(QUESTIONS))
    for model, spending in cent.by_model.items():
        print(f"{model}: {spending}; ${cent.left:f} left")
