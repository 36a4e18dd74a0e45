/* Moves shares, and shows what they bring. All text of the world is in the page already. */
(() => {
  const world = JSON.parse(document.getElementById("world").textContent);
  const forecasts = forecaster(world.model);
  const at = (id) => document.getElementById(id);
  const inputs = Array.from(document.querySelectorAll(".share input"));
  const labels = Array.from(document.querySelectorAll(".share label"), (label) => label.textContent);
  const rows = Array.from(document.querySelectorAll(".results tbody tr"));
  const { least, most } = world.budget;
  let shares = inputs.map(() => 1 / inputs.length), budget = world.budget.first;

  const shown = (value) => {
    const text = (world.factor * value).toFixed(world.decimals);
    return Number(text) === 0 ? (0).toFixed(world.decimals) : text;
  };
  const signed = (value) => (Number(shown(value)) > 0 ? "+" : "") + shown(value);
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const tokens = (count) => {
    for (const [unit, letter] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]])
      if (count >= unit) return `${Number((count / unit).toPrecision(3))}${letter}`;
    return `${Number(count.toPrecision(3))}`;
  };
  const place = (value) =>
    `${100 * Math.min(1, Math.max(0, (value - world.low) / (world.high - world.low)))}%`;

  function outside() {
    const told = world.trained;
    if (!told) return "";
    const far = labels.filter((_, i) =>
      shares[i] > told.shares[i][1] + 0.01 || shares[i] < told.shares[i][0] - 0.01);
    const parts = far.length ? [`the share of ${far.join(", ")}`] : [];
    if (budget > 1.01 * told.tokens[1] || budget < 0.99 * told.tokens[0]) parts.push("the number of tokens");
    return parts.length ? `Outside of the runs that the world was fitted to: ${parts.join("; ")}. What is shown there is a guess.` : "";
  }

  function show() {
    const task = Number(at("task").value), told = forecasts.forecast(shares, budget, task);
    inputs.forEach((input, i) => {
      input.value = 100 * shares[i];
      at(`${input.id}-value`).textContent = percent(shares[i]);
      input.setAttribute("aria-valuetext", percent(shares[i]));
    });
    at("budget").value = most > least ? 1000 * Math.log(budget / least) / Math.log(most / least) : 0;
    at("budget").setAttribute("aria-valuetext", `${tokens(budget)} tokens`);
    at("budget-value").textContent = tokens(budget);
    at("summary").textContent = `Utility ${shown(told.value)}, 95 % interval ` +
      `${shown(told.value - told.value_half)} to ${shown(told.value + told.value_half)}`;
    rows.forEach((row, j) => {
      const score = told.scores[j], half = told.half[j];
      const [low, high] = [score - half, score + half].map((v) => Math.min(world.largest, Math.max(world.lowest, v)));
      row.querySelector(".now-value").textContent = shown(score);
      row.querySelector(".interval").textContent = `${shown(low)} to ${shown(high)}`;
      row.querySelector(".change").textContent = signed(score - world.start[j]);
      row.querySelector(".then-mark").style.left = place(world.start[j]);
      row.querySelector(".now-mark").style.left = place(score);
      const span = row.querySelector(".span").style;
      span.left = place(low);
      span.right = `calc(100% - ${place(high)})`;
    });
    const text = outside();
    at("outside").hidden = !text;
    if (at("outside").textContent !== text) at("outside").textContent = text;
  }

  function move(i, share) {
    const rest = shares.reduce((sum, own, n) => (n === i ? sum : sum + own), 0);
    shares = shares.map((own, n) =>
      n === i ? share : rest > 0 ? own * (1 - share) / rest : (1 - share) / (shares.length - 1));
    show();
  }

  inputs.forEach((input, i) => input.addEventListener("input", () => move(i, Number(input.value) / 100)));
  at("budget").addEventListener("input", () => {
    const part = Number(at("budget").value) / 1000;
    const wanted = least * Math.pow(most / least, part);
    budget = Math.min(most, Math.max(least, Number(wanted.toPrecision(3))));
    show();
  });
  at("task").addEventListener("change", show);
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  at("equal").addEventListener("click", () => { shares = shares.map(() => 1 / shares.length); show(); });
  document.querySelectorAll("[data-best]").forEach((button) => button.addEventListener("click", () => {
    const best = world.best[Number(button.dataset.best)];
    shares = best.shares[Number(at("task").value)].slice();
    budget = best.budget;
    show();
  }));

  const off = forecasts.largest_difference();
  at("checked").textContent = off <= world.model.tolerance
    ? `Checked in this browser at ${world.model.checks.length} mixtures and budgets: at most ${off.toPrecision(1)} from what readsim itself predicted (allowed: ${world.model.tolerance}).`
    : `Do not use this page: in this browser its predictions are up to ${off.toPrecision(2)} from those of readsim.`;
  at("checked").className = off <= world.model.tolerance ? "small" : "warn";
  show();
})();
