"use strict";
const at = (id) => document.getElementById(id);
let models = [];

// Three digits, as in the report and on the card.
const digits = (value) => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 3);

const figures = [
  ["size", (f) => f.size_mb && `${f.size_mb.toFixed(1)} MB`],
  ["measured latency", (f) => f.latency_ms && `${digits(f.latency_ms.mean)} ms (p95 ${digits(f.latency_ms.p95)} ms, ${f.threads} thread${f.threads > 1 ? "s" : ""})`],
  ["accuracy", (f) => f.accuracy && `${(100 * f.accuracy).toFixed(1)}%`],
  ["in scope", (f) => f.in_scope_accuracy && `${(100 * f.in_scope_accuracy).toFixed(1)}%`],
  ["out-of-scope recall", (f) => f.oos_recall && `${(100 * f.oos_recall).toFixed(1)}%`],
  ["texts per second, batches of 32", (f) => f.throughput_batch32 && f.throughput_batch32.toFixed(0)],
];

function headers() {
  const key = at("key").value;
  return key ? { "content-type": "application/json", "x-api-key": key } : { "content-type": "application/json" };
}

async function call(path, body) {
  const options = { headers: headers(), cache: "no-store" };
  if (body) Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  const response = await fetch(path, options);
  const answer = await response.json();
  if (response.status === 401) at("key-row").hidden = false;
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function show(fault) {
  at("fault").hidden = !fault;
  at("fault").textContent = fault || "";
}

function bars(answer) {
  at("labels").replaceChildren(...answer.top.map((entry) => {
    const row = document.createElement("li");
    const name = Object.assign(document.createElement("span"), { className: "name", textContent: entry.label, title: entry.label });
    const bar = Object.assign(document.createElement("meter"), { min: 0, max: 1, value: entry.score });
    const score = Object.assign(document.createElement("span"), { className: "score", textContent: `${(100 * entry.score).toFixed(1)}%` });
    row.append(name, bar, score);
    return row;
  }));
  at("verdict").textContent = answer.out_of_scope ? "out of scope" : answer.label;
  at("verdict").className = answer.out_of_scope ? "out" : "";
}

function card() {
  const model = models.find((each) => each.name === at("model").value);
  at("card").hidden = !model;
  if (!model) return;
  at("card-name").textContent = `${model.name}, version ${model.version}`;
  const entries = [["labels", String(model.labels.length)], ...figures.map(([name, read]) => [name, read(model.figures || {})])];
  at("figures").replaceChildren(...entries.filter(([, value]) => value).flatMap(([name, value]) => [
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: value }),
  ]));
}

async function load() {
  try {
    models = (await call("models")).models;
    at("model").replaceChildren(...models.map((each) => new Option(each.name)));
    at("model").hidden = models.length < 2;
    card();
    show("");
  } catch (error) {
    show(error.message);
  }
}

async function ask(event) {
  event.preventDefault();
  try {
    const started = performance.now();
    const answer = await call("predict", { text: at("text").value, top_k: 5, model: at("model").value || null });
    at("latency").textContent = `${(performance.now() - started).toFixed(1)} ms for this request, network included`;
    bars(answer);
    show("");
  } catch (error) {
    show(error.message);
  }
}

at("ask").addEventListener("submit", ask);
at("model").addEventListener("change", card);
at("key").addEventListener("change", load);
at("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey) at("ask").requestSubmit(event.preventDefault());
});
load();
