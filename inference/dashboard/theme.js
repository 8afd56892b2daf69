// Light or dark: as the system says, unless a choice was made here before. Runs before the first paint, so that nothing flashes.
(() => {
  const KEY = "theme";
  const root = document.documentElement;

  // A browser may forbid storage altogether; the choice then lasts as long as the page.
  const remembered = () => {
    try {
      return localStorage.getItem(KEY) ?? "";
    } catch {
      return "";
    }
  };
  const remember = (choice) => {
    try {
      if (choice) localStorage.setItem(KEY, choice);
      else localStorage.removeItem(KEY);
    } catch {
      // Nothing to do: see above.
    }
  };

  const system = matchMedia("(prefers-color-scheme: dark)");
  let choice = remembered();
  const apply = () => {
    root.dataset.theme = choice || (system.matches ? "dark" : "light");
    document.dispatchEvent(new Event("theme"));
  };

  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    const select = document.getElementById("theme");
    select.value = choice;
    select.addEventListener("change", () => {
      choice = select.value;
      remember(choice);
      apply();
    });
  });
})();
