// X-rays on canvases: 16-bit pixels through a window, with zoom and pan, two views linked.

const SIDE = 1024; // pixels a side that are sent at first; all of them when zoomed in
const KEPT = 8;
const ZOOM_STEP = 1.25;
const MOST_ZOOM = 40;
const PRESETS = { own: [0, 1], lungs: [-0.2, 0.6], bones: [0.2, 0.6] }; // level, width: in own widths

const kept = new Map(); // address → promise of a picture; the last ones asked for

function fetchPicture(address) {
  const found = kept.get(address) ?? loadPicture(address);
  kept.delete(address);
  kept.set(address, found);
  found.catch(() => kept.delete(address));
  while (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return found;
}

async function loadPicture(address) {
  const [about, pixels] = await Promise.all([fetch(address), loadPixels(address, SIDE)]);
  if (!about.ok) throw new Error("no such picture");
  return { ...(await about.json()), address, sent: pixels };
}

async function loadPixels(address, side) {
  const answer = await fetch(`${address}/pixels?side=${side}`);
  if (!answer.ok) throw new Error("no such picture");
  const bytes = new DataView(await answer.arrayBuffer());
  const data = new Uint16Array(bytes.byteLength / 2);
  for (let i = 0; i < data.length; i++) data[i] = bytes.getUint16(2 * i, true);
  return { data, rows: +answer.headers.get("x-rows"), columns: +answer.headers.get("x-columns") };
}

export function keepPictures(addresses) {
  for (const address of addresses) fetchPicture(address).catch(() => {});
}

// Grey 0 to 255 of every 16-bit pixel, by the three functions of DICOM PS3.3 C.11.2.1.2.
export function makeTable(picture, center, width, isInverted) {
  const table = new Uint8Array(65536);
  const curves = {
    LINEAR: (value) => (value - (center - 0.5)) / Math.max(width - 1, 1e-9) + 0.5,
    LINEAR_EXACT: (value) => (value - center) / width + 0.5,
    SIGMOID: (value) => 1 / (1 + Math.exp((-4 * (value - center)) / width)),
  };
  const curve = curves[picture.curve];
  for (let pixel = picture.least; pixel <= picture.greatest; pixel++) {
    const grey = Math.min(1, Math.max(0, curve(picture.slope * pixel + picture.intercept)));
    table[pixel] = Math.round(255 * (isInverted ? 1 - grey : grey));
  }
  if (picture.padding) table.fill(0, picture.padding[0], picture.padding[1] + 1);
  return table;
}

function freshState() {
  return { level: 0, width: 1, zoom: 1, x: 0, y: 0, isInverted: false, isWide: false };
}

class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.words = canvas.closest("figure").querySelector(".window");
    this.state = freshState();
    this.drawn = "";
    this.raster = document.createElement("canvas");
    fetchPicture(canvas.dataset.picture).then(
      // After the next frame: the report, which is what is asked about, shows first.
      (picture) => requestAnimationFrame(() => setTimeout(() => {
        this.picture = picture;
        this.pixels = picture.sent;
        this.draw();
      })),
      () => {
        this.words.textContent = "this picture cannot be read";
        canvas.closest("figure").classList.add("unread");
      },
    );
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(canvas);
  }

  get window() {
    const { center, width, least, greatest, slope, intercept } = this.picture;
    if (!this.state.isWide) return [center + this.state.level * width, width * this.state.width];
    const ends = [least, greatest].map((pixel) => slope * pixel + intercept);
    const whole = Math.max(Math.abs(ends[1] - ends[0]), 1);
    return [(ends[0] + ends[1]) / 2 + this.state.level * whole, whole * this.state.width];
  }

  // Screen pixels for one pixel of the file, when it just fits.
  get fit() {
    return Math.min(this.canvas.width / this.picture.columns, this.canvas.height / this.picture.rows);
  }

  paint() {
    const [center, width] = this.window;
    const isInverted = this.picture.inverted !== this.state.isInverted;
    const wanted = [center, width, isInverted, this.pixels.rows].join();
    if (wanted === this.drawn) return;
    this.drawn = wanted;
    const table = makeTable(this.picture, center, width, isInverted);
    const { data, rows, columns } = this.pixels;
    Object.assign(this.raster, { width: columns, height: rows });
    const image = new ImageData(columns, rows);
    const colours = new Uint32Array(image.data.buffer);
    for (let i = 0; i < colours.length; i++) colours[i] = 0xff000000 | (table[data[i]] * 0x010101);
    this.raster.getContext("2d").putImageData(image, 0, 0);
    this.words.textContent = `C ${Math.round(center)} W ${Math.round(width)}`;
  }

  draw() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    if (!this.picture || !width || !height) return;
    this.paint();
    const scale = this.fit * this.state.zoom;
    this.sharpen(scale);
    const [wide, high] = [this.picture.columns * scale, this.picture.rows * scale];
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = this.state.zoom < 3;
    context.drawImage(this.raster, (width - wide) / 2 + this.state.x * width, (height - high) / 2 + this.state.y * height, wide, high);
    this.canvas.dataset.ready = "yes";
  }

  // Fetches every pixel once the screen shows more of them than were sent.
  async sharpen(scale) {
    const { columns, address } = this.picture;
    if (this.pixels.columns >= columns || scale * columns <= this.pixels.columns * 1.01 || this.isSharpening) return;
    this.isSharpening = true;
    try {
      this.pixels = await loadPixels(address, 16000);
      if (this.canvas.isConnected) this.draw();
    } catch {
      // What was sent at first stays; the next zoom asks again.
      this.isSharpening = false;
    }
  }
}

let views = [];
let isLinked = true;

function share() {
  if (isLinked) for (const view of views) view.state = views[0].state;
  else for (const view of views) view.state = { ...view.state };
}

function change(view, edit) {
  edit(view.state, view);
  view.state.zoom = Math.min(MOST_ZOOM, Math.max(0.2, view.state.zoom));
  view.state.width = Math.min(20, Math.max(0.01, view.state.width));
  for (const each of isLinked ? views : [view]) each.draw();
}

function preset(name) {
  return (state, view) => {
    const [level, width] = PRESETS[name] ?? [0, 1];
    // Bones have the high values, but the low ones where these are shown white.
    const sign = view.picture?.inverted === (view.picture?.slope > 0) ? -1 : 1;
    Object.assign(state, { level: sign * level, width, isWide: name === "wide" });
  };
}

const EDITS = {
  invert: (state) => { state.isInverted = !state.isInverted; },
  fit: (state) => Object.assign(state, { zoom: 1, x: 0, y: 0 }),
  whole: (state, view) => Object.assign(state, { zoom: view.picture ? 1 / view.fit : 1 }),
  in: (state) => { state.zoom *= ZOOM_STEP; },
  out: (state) => { state.zoom /= ZOOM_STEP; },
  own: preset("own"),
  lungs: preset("lungs"),
  bones: preset("bones"),
  wide: preset("wide"),
};

function active() {
  return views.find((view) => view.canvas === document.activeElement) ?? views[0];
}

function act(name, button) {
  if (!views.length) return;
  if (name === "link") {
    isLinked = !isLinked;
    button.setAttribute("aria-pressed", isLinked);
    share();
    views[0].draw();
  } else if (name === "swap") {
    const box = views[0].canvas.closest(".views");
    box.append(box.firstElementChild);
  } else if (name in EDITS) change(active(), EDITS[name]);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-view]");
  if (button) act(button.dataset.view, button);
});

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

document.addEventListener("keydown", (event) => {
  const step = ARROWS[event.key];
  const isElsewhere = event.target.matches("textarea, input, .report") || document.querySelector("dialog[open]");
  if (!step || !views.length || isElsewhere || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  change(active(), (state) => {
    if (event.shiftKey) { state.x += step[0] * 0.05; state.y -= step[1] * 0.05; }
    else { state.width *= 1 + 0.05 * step[0]; state.level -= 0.02 * step[1]; }
  });
});

function follow(view) {
  const { canvas } = view;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    const [dx, dy] = [event.movementX / canvas.clientWidth, event.movementY / canvas.clientHeight];
    change(view, (state) => {
      if (event.shiftKey || event.buttons > 1) { state.x += dx; state.y += dy; }
      else { state.width *= 1 + 2 * dx; state.level += dy; }
    });
  });
  canvas.addEventListener("wheel", (event) => {
    if (event.ctrlKey) return;
    event.preventDefault();
    change(view, (state) => { state.zoom *= event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP; });
  }, { passive: false });
  canvas.addEventListener("dblclick", () => change(view, EDITS.fit));
}

export function showPictures(screen) {
  for (const view of views) view.watch.disconnect();
  views = [...screen.querySelectorAll("canvas[data-picture]")].map((canvas) => new View(canvas));
  isLinked = true;
  share();
  views.forEach(follow);
}
