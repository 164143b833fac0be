// The capacity calculator: rate, utilisation, a p99 and prices in; workers, machines and money out.

const calculator = (page) => {
  const form = document.getElementById("traffic");
  if (!form) return;
  const body = document.querySelector("#plans tbody");
  const samples = new Map(page.spreads.map((spread) => [spread.variant, spread.times]));
  const rows = page.measurements.filter((row) => samples.has(row.variant));

  const asked = () => ({
    rate: form.elements.rate.valueAsNumber,
    utilisation: form.elements.utilisation.valueAsNumber / 100,
    p99: Number.isFinite(form.elements.p99.valueAsNumber) ? form.elements.p99.valueAsNumber : null,
    prices: {
      ...page.prices,
      machines: page.prices.machines.map((machine, place) => ({
        ...machine,
        usd_per_hour: form.elements[`price-${place}`].valueAsNumber,
      })),
    },
  });

  const line = (row, planned) => {
    const cells = [
      row.variant,
      planned.workers.toLocaleString("en-US"),
      percent(planned.busy),
      `${planned.reachable ? "" : "! "}${milliseconds(planned.p99)}`,
      planned.fit ? `${planned.fit.machines.toLocaleString("en-US")} × ${planned.fit.machine}` : NONE,
      planned.fit ? dollars(planned.fit.month) : NONE,
      planned.fit ? dollars(planned.fit.million) : NONE,
    ];
    const found = document.createElement("tr");
    found.append(
      ...cells.map((words, place) => {
        const cell = document.createElement(place ? "td" : "th");
        if (!place) cell.scope = "row";
        cell.textContent = words;
        return cell;
      }),
    );
    return found;
  };

  const planCommand = (wanted) => {
    const words = ["packlight", "plan", page.run, "--rate", String(wanted.rate), "--utilisation", String(wanted.utilisation)];
    if (wanted.p99 != null) words.push("--p99-ms", String(wanted.p99));
    const edited = page.prices.machines.some((machine, place) => machine.usd_per_hour !== wanted.prices.machines[place].usd_per_hour);
    if (edited) words.push("--prices", "prices.yaml");
    return words.map(quoted).join(" ");
  };

  const update = () => {
    document.getElementById("utilisation-value").textContent = `${form.elements.utilisation.value}%`;
    if (!form.checkValidity()) return;
    const wanted = asked();
    const plans = rows.map((row) => [row, plan(row, samples.get(row.variant), wanted)]);
    body.replaceChildren(...plans.map(([row, planned]) => line(row, planned)));
    const affordable = plans.filter(([, planned]) => planned.fit && planned.reachable);
    const least = Math.min(...affordable.map(([, planned]) => planned.fit.month));
    plans.forEach(([, planned], place) => body.rows[place].classList.toggle("is-pick", planned.reachable && planned.fit?.month === least));
    const command = document.getElementById("plan-command");
    command.textContent = planCommand(wanted);
    commandWords(command);
    const costs = new Map(plans.filter(([, planned]) => planned.fit).map(([row, planned]) => [row.variant, planned.fit.million]));
    document.dispatchEvent(new CustomEvent("costs", { detail: costs }));
  };

  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
};
