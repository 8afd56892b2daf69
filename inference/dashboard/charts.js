// What both charts share: the library, which comes after the words, and the colours of the style sheet.

const CONFIG = { displayModeBar: false, responsive: true, showTips: false };
// The library brings rules for maps along, and injects them unless something has their id. There is no map here, and the page's
// policy forbids injecting.
const MAP_RULES = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53";
let library = null;

/** plotly.js. To ask early is to have it early. */
export const plotly = () => {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.id = MAP_RULES;
    script.fetchPriority = "low";
    script.src = document.body.dataset.library;
    script.addEventListener("load", () => resolve(globalThis.Plotly));
    script.addEventListener("error", () => {
      library = null;
      script.remove();
      reject(new Error("the chart library cannot be loaded"));
    });
    document.head.append(script);
  });
  return library;
};

/** A colour of the style sheet, by the name of its variable. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Draw into `place`, or change what is drawn there. */
export const drawChart = async (place, traces, layout) => {
  const library = await plotly();
  await library.react(place, traces, { ...frame(), ...layout }, CONFIG);
  place.dataset.drawn = "yes";
};

/** An axis in the page's own hand; `more` changes it. */
export const axis = (more) => ({
  fixedrange: true,
  gridcolor: colour("line"),
  linecolor: colour("line"),
  zeroline: false,
  tickfont: { color: colour("quiet"), size: 12 },
  ...more,
});

const frame = () => ({
  autosize: true,
  dragmode: false,
  showlegend: false,
  hovermode: "closest",
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  font: { family: getComputedStyle(document.body).fontFamily, color: colour("ink"), size: 13 },
  hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink"), size: 13 }, align: "left" },
  margin: { l: 8, r: 8, t: 8, b: 8 },
});
