/** The header of a JPEG file. */
export interface JpegHeader {
  width: number;
  height: number;
  /** 1 gray, 3 color, 4 CMYK. */
  components: number;
  /** Bits per sample. */
  precision: number;
}

const startOfImage = 0xd8;
const startOfScan = 0xda;
const endOfImage = 0xd9;

/**
 * Reads the frame header (ITU-T T.81, B.2.2); undefined if the file has no valid one. Skips other segments exactly as
 * decoders do: if a decoder found another frame, it would decode an image of another size.
 */
export function readJpegHeader(bytes: Buffer): JpegHeader | undefined {
  if (bytes.length < 4 || bytes[0] !== 0xff || bytes[1] !== startOfImage) return undefined;
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++; // fill byte
      continue;
    }
    if (marker === 0 || marker === startOfImage || marker === startOfScan || marker === endOfImage)
      return undefined;
    if (isFrame(marker)) return readFrame(bytes, at + 4);
    at += hasNoLength(marker) ? 2 : 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}

/**
 * Whether a JPEG file has more than `most` scans. Each scan is a pass over all pixels, but may consist of a few bytes.
 * Like decoders, skips stray bytes between segments.
 */
export function hasMoreScans(bytes: Buffer, most: number): boolean {
  let scans = 0;
  for (let at = bytes.indexOf(0xff); at >= 0 && at + 4 <= bytes.length; at = bytes.indexOf(0xff, at)) {
    const marker = bytes[at + 1]!;
    if (marker === endOfImage) return false;
    if (marker === startOfScan && ++scans > most) return true;
    // Fill bytes, escaped bytes of a scan, and markers without a length.
    if (marker === 0xff) at += 1;
    else if (marker === 0 || marker === startOfImage || hasNoLength(marker)) at += 2;
    else at += 2 + bytes.readUInt16BE(at + 2);
  }
  return false;
}

/** Whether a marker has no length: TEM and RST0 to RST7. */
function hasNoLength(marker: number): boolean {
  return marker === 1 || (marker >= 0xd0 && marker <= 0xd7);
}

/** Whether a marker begins a frame: SOF0 to SOF15, except three markers in that range that have other meanings. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function readFrame(bytes: Buffer, at: number): JpegHeader | undefined {
  if (at + 6 > bytes.length) return undefined;
  return {
    precision: bytes[at]!,
    height: bytes.readUInt16BE(at + 1),
    width: bytes.readUInt16BE(at + 3),
    components: bytes[at + 5]!,
  };
}
