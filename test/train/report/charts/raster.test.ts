import test from 'ava';
import { diskPng, galleryJpeg } from '../../../../lib/train/report/charts/raster.ts';
import { fakeSnapshot } from '../../fake-run.ts';

test('the disk becomes a PNG of 640 x 640 pixels, and the gallery a JPEG, or null if it is empty', async (t) => {
  const { default: sharp } = await import('sharp');
  const disk = await sharp(await diskPng(fakeSnapshot())).metadata();
  t.deepEqual([disk.format, disk.width, disk.height], ['png', 640, 640]);
  const gallery = await sharp((await galleryJpeg(fakeSnapshot()))!).metadata();
  t.deepEqual([gallery.format, gallery.width, gallery.height], ['jpeg', 232, 112]);
  t.is(await galleryJpeg({ ...fakeSnapshot(), gallery: [] }), null);
});
