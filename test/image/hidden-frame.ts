/**
 * Returns a JPEG file with a second frame header, of 16 x 16 pixels, in a comment. A reader that takes the bytes after
 * `marker` for a length skips the real frame header and finds the other one.
 *
 * @param marker - a marker without a length, which decoders skip
 * @param jpeg - a baseline file
 */
export function withHiddenFrame(marker: number, jpeg: Buffer): Buffer {
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
  const end = frame + 2 + jpeg.readUInt16BE(frame + 2);
  const start = Buffer.from([0xff, 0xd8, 0xff, marker]);
  const comment = Buffer.alloc(2 ** 16 + 1);
  comment.writeUInt32BE(0xfffeffff);
  const other = '\xff\xc0\0\x11\x08\0\x10\0\x10\x03\x01\x22\0\x02\x11\x01\x03\x11\x01';
  // A reader that takes the next marker, 0xffc0, for a length continues at this offset.
  comment.write(other, 4 + 0xffc0 - start.length - (end - frame), 'latin1');
  const [header, rest] = [jpeg.subarray(2, frame), jpeg.subarray(end)];
  return Buffer.concat([start, jpeg.subarray(frame, end), comment, header, rest]);
}
