/* A small ISO 9660 image with Joliet names: enough for the few files that cloud-init reads (method NoCloud). */
const SECTOR = 2048;
const FIRST_FILE = 25;
const ROOT = { plain: 23, joliet: 24 };
const PATHS = { plain: 19, joliet: 21 };
const JOLIET_LEVEL_3 = [0x25, 0x2f, 0x45];

export interface IsoFile {
  name: string;
  content: string;
}

const sectors = (bytes: number) => Math.max(Math.ceil(bytes / SECTOR), 1);
const ascii = (text: string) => [...text].map((c) => c.charCodeAt(0));
const ucs2 = (text: string) => [...text].flatMap((c) => [c.charCodeAt(0) >> 8, c.charCodeAt(0) & 0xff]);
const little = (n: number, size: number) => Array.from({ length: size }, (_, i) => (n >>> (8 * i)) & 0xff);
const both = (n: number, size: number) => [...little(n, size), ...little(n, size).reverse()];

function padded(bytes: number[], size: number, filler: number[]): number[] {
  const out = bytes.slice(0, size);
  while (out.length < size) out.push(filler[out.length % filler.length]!);
  return out;
}

/** One entry of a directory; @name is [0] for itself and [1] for its parent. */
function record(name: number[], sector: number, size: number, isFolder: boolean): number[] {
  const length = 33 + name.length + (name.length % 2 === 0 ? 1 : 0);
  const out = [length, 0, ...both(sector, 4), ...both(size, 4), 100, 1, 1, 0, 0, 0, 0, isFolder ? 2 : 0, 0, 0, ...both(1, 2), name.length, ...name];
  return padded(out, length, [0]);
}

function folder(sector: number, entries: number[][]): number[] {
  return [...record([0], sector, SECTOR, true), ...record([1], sector, SECTOR, true), ...entries.flat()];
}

function pathTable(root: number, isBig: boolean): number[] {
  const where = little(root, 4);
  return [1, 0, ...(isBig ? where.reverse() : where), ...(isBig ? [0, 1] : [1, 0]), 0, 0];
}

function descriptor(type: "plain" | "joliet", label: string, total: number): number[] {
  const isJoliet = type === "joliet";
  const text = (value: string, size: number) => (isJoliet ? padded(ucs2(value), size, size % 2 ? [0] : [0, 0x20]) : padded(ascii(value), size, [0x20]));
  const paths = PATHS[type];
  return [
    isJoliet ? 2 : 1, ...ascii("CD001"), 1, 0,
    ...text("", 32), ...text(label, 32), ...padded([], 8, [0]),
    ...both(total, 4), ...padded(isJoliet ? JOLIET_LEVEL_3 : [], 32, [0]),
    ...both(1, 2), ...both(1, 2), ...both(SECTOR, 2), ...both(10, 4),
    ...little(paths, 4), 0, 0, 0, 0, ...little(paths + 1, 4).reverse(), 0, 0, 0, 0,
    ...record([0], ROOT[type], SECTOR, true),
    ...text("", 128 * 4), ...text("", 37 * 3),
    ...Array.from({ length: 4 }, () => [...ascii("0000000000000000"), 0]).flat(),
    1, 0,
  ];
}

/** Plain names are FILE0.;1 and so on: every system that matters reads the Joliet ones. */
export function makeIso(label: string, files: IsoFile[]): Uint8Array<ArrayBuffer> {
  const contents = files.map((file) => new TextEncoder().encode(file.content));
  let next = FIRST_FILE;
  const starts = contents.map((content) => {
    const start = next;
    next += sectors(content.length);
    return start;
  });
  const entries = (name: (i: number) => number[]) => files.map((_, i) => record(name(i), starts[i]!, contents[i]!.length, false));
  const image = new Uint8Array(next * SECTOR);
  const put = (sector: number, bytes: ArrayLike<number>) => image.set(bytes, sector * SECTOR);
  put(16, descriptor("plain", label, next));
  put(17, descriptor("joliet", label, next));
  put(18, [255, ...ascii("CD001"), 1]);
  for (const type of ["plain", "joliet"] as const) {
    put(PATHS[type], pathTable(ROOT[type], false));
    put(PATHS[type] + 1, pathTable(ROOT[type], true));
  }
  put(ROOT.plain, folder(ROOT.plain, entries((i) => ascii(`FILE${i}.;1`))));
  put(ROOT.joliet, folder(ROOT.joliet, entries((i) => ucs2(files[i]!.name))));
  contents.forEach((content, i) => put(starts[i]!, content));
  return image;
}
