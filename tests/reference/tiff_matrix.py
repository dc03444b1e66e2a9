"""Writes TIFFs of every kind with the pixels that GDAL and tifffile read of them: the oracle of shared/raster.

usage: python3 tests/reference/tiff_matrix.py OUT            all (more than 1000 files)
       python3 tests/reference/tiff_matrix.py --small OUT    the part that shared/raster/tests/matrix.tar.gz holds

OUT gets the files, `manifest.json` (what each must read as) and one `.f32` or `.u8` file for each different answer:
planes of little-endian floats, [bands, height, width], and one byte a sample that is missing. Then:

       cargo run -p raster --example compare OUT
       tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C OUT -c . | gzip -9n > shared/raster/tests/matrix.tar.gz

Needs numpy, rasterio, tifffile and imagecodecs (PyPI). No encoder here shares code with the reader.
"""

import hashlib
import itertools
import json
import random
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import rasterio
import tifffile
from rasterio.enums import ColorInterp

warnings.filterwarnings("ignore")
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
SIZES = [(37, 29), (16, 16), (1, 1), (50, 3), (33, 65)]  # width, height


def content(dtype: str, bands: int, width: int, height: int, seed: int = 0) -> np.ndarray:
    """[bands, height, width]: slopes with noise, the type's extremes among them."""
    rng = np.random.default_rng([seed, bands, width, height])
    y, x = np.mgrid[0:height, 0:width]
    slope = np.stack([(x * (band + 1) + y * 3) % 97 + rng.integers(0, 3, (height, width)) for band in range(bands)])
    kind = np.dtype(dtype)
    if kind.kind == "f":
        values = (slope / 13.0 - 2.5).astype(kind)
    else:
        info = np.iinfo(kind)
        span = min(int(info.max) - int(info.min), 40_000) // 100
        values = (slope * max(span, 1) + (int(info.min) if info.min > -40_000 else -20_000)).clip(info.min, info.max)
        values = values.astype(kind)
        values.flat[-1], values.flat[0] = info.max, info.min
    return values


class Matrix:
    def __init__(self, out: Path):
        self.out, self.cases = out, []
        out.mkdir(parents=True, exist_ok=True)

    def _keep(self, data: bytes, ending: str) -> str:
        name = hashlib.sha256(data).hexdigest()[:16] + ending
        (self.out / name).write_bytes(data)
        return name

    def add(self, name: str, expected: np.ndarray, tolerance: float = 0.0, missing=None, **more):
        """`expected` is [bands, height, width]."""
        assert expected.ndim == 3, name
        case = {"name": name, "shape": list(expected.shape), "tolerance": tolerance}
        case["values"] = self._keep(expected.astype("<f4").tobytes(), ".f32")
        if missing is not None and missing.any():
            case["missing"] = self._keep(np.broadcast_to(missing, expected.shape).astype("u1").tobytes(), ".u8")
        self.cases.append(case | more)

    def refuse(self, name: str, word: str):
        self.cases.append({"name": name, "refused": word})

    def gdal(self, name: str, values: np.ndarray, check=True, after=None, **options) -> np.ndarray:
        bands, height, width = values.shape
        path = self.out / name
        with rasterio.open(
            path, "w", driver="GTiff", width=width, height=height, count=bands, dtype=values.dtype, **options
        ) as file:
            file.write(values)
            if after:
                after(file)
        with rasterio.open(path) as file:
            read = file.read()
        if check:
            assert np.array_equal(read, values), f"{name}: GDAL reads something else than it wrote"
        return read

    def finish(self):
        (self.out / "manifest.json").write_text(json.dumps(self.cases, indent=0))
        print(len(self.cases), "files in", self.out)


def gdal_product(matrix: Matrix, count: int, sizes):
    """A sample of all combinations, each value of each option many times."""
    layouts = [{"tiled": False, "blockysize": 1}, {"tiled": False, "blockysize": 7}, {"tiled": False, "blockysize": 999},
               {"tiled": True, "blockxsize": 16, "blockysize": 16}, {"tiled": True, "blockxsize": 32, "blockysize": 48}]
    codecs = ["NONE", "LZW", "DEFLATE", "PACKBITS", "ZSTD"]
    every = list(itertools.product(DTYPES, [1, 2, 3, 4, 5, 13, 16], ["pixel", "band"], layouts, codecs, [1, 2, 3],
                                   ["LITTLE", "BIG"], ["NO", "YES"], sizes))
    random.Random(17).shuffle(every)
    done = 0
    for dtype, bands, interleave, layout, codec, predictor, endian, big, (width, height) in every:
        if done == count:
            return
        if predictor == 3 and np.dtype(dtype).kind != "f" or codec in ("NONE", "PACKBITS") and predictor != 1:
            continue
        rows = min(layout["blockysize"], height) if not layout["tiled"] else layout["blockysize"]
        name = f"g{done:04}_{dtype}_{bands}_{interleave}_{'tile' if layout['tiled'] else 'strip'}{rows}_{codec}_p{predictor}_{endian[0]}{'_big' if big == 'YES' else ''}.tif"
        values = content(dtype, bands, width, height)
        extra = {"predictor": predictor} if predictor != 1 else {}
        matrix.gdal(name, values, interleave=interleave, compress=codec, endianness=endian, bigtiff=big,
                    **(layout | {"blockysize": rows}), **extra)
        matrix.add(name, values)
        done += 1


def tifffile_product(matrix: Matrix, count: int, sizes):
    dtypes = DTYPES + ["float16", "uint64", "int64"]
    layouts = [{"rowsperstrip": 5}, {"rowsperstrip": 10_000}, {"tile": (16, 16)}, {"tile": (48, 32)}]
    codecs = [None, "lzw", "zlib", "packbits", "zstd"]
    every = list(itertools.product(dtypes, [1, 2, 3, 4, 6, 12], ["contig", "separate"], layouts, codecs, [False, True],
                                   ["<", ">"], [False, True], sizes))
    random.Random(18).shuffle(every)
    done = 0
    for dtype, bands, planar, layout, codec, predicted, order, big, (width, height) in every:
        if done == count:
            return
        if predicted and codec in (None, "packbits"):
            continue
        values = content(dtype, bands, width, height, 1)
        name = f"t{done:04}_{dtype}_{bands}_{planar}_{codec}_{'p' if predicted else 'n'}_{'I' if order == '<' else 'M'}{'_big' if big else ''}.tif"
        data = values if planar == "separate" and bands > 1 else np.moveaxis(values, 0, -1)
        data = data if bands > 1 else values[0]
        try:
            tifffile.imwrite(matrix.out / name, data, photometric="minisblack", planarconfig=planar if bands > 1 else None,
                             compression=codec, predictor=predicted, byteorder=order, bigtiff=big,
                             extrasamples=["unspecified"] * (bands - 1) if bands > 1 else None, **layout)
        except (ValueError, NotImplementedError, KeyError, TypeError):
            continue
        read = tifffile.imread(matrix.out / name)
        assert np.array_equal(np.squeeze(read), np.squeeze(data)), name
        matrix.add(name, values)
        done += 1


def special(matrix: Matrix, small: bool):
    def tags(name: str, change):
        """Changes a classic little-endian file's bytes: `change(bytes, entries)`, entries by tag as (place, type, count, value)."""
        path = matrix.out / name
        data = bytearray(path.read_bytes())
        at = struct.unpack_from("<I", data, 4)[0]
        count = struct.unpack_from("<H", data, at)[0]
        entries = {}
        for index in range(count):
            place = at + 2 + 12 * index
            tag, kind, number, value = struct.unpack_from("<HHII", data, place)
            entries[tag] = (place, kind, number, value)
        change(data, entries)
        path.write_bytes(data)

    rgb = content("uint8", 3, 61, 43)
    smooth = np.stack([np.add.outer(np.arange(43) * (band + 1), np.arange(61) * 2) % 256 // 2 + 40 for band in range(3)])
    smooth = smooth.astype("uint8")
    # JPEG: chunky, planar, with and without Y, Cb and Cr, grey, in strips and tiles.
    for tiled, photometric, interleave, bands, quality in itertools.product(
        [False, True], ["YCBCR", "RGB", "MINISBLACK"], ["pixel", "band"], [1, 3], [75, 95]
    ):
        if photometric != "MINISBLACK" and bands != 3 or photometric == "YCBCR" and interleave == "band":
            continue
        if photometric == "MINISBLACK" and bands == 3 and interleave == "pixel":
            continue
        name = f"jpeg_{photometric}_{interleave}_{bands}_{quality}_{'tile' if tiled else 'strip'}.tif"
        layout = {"tiled": True, "blockxsize": 32, "blockysize": 16} if tiled else {"blockysize": 16}
        read = matrix.gdal(name, smooth[:bands], check=False, compress="JPEG", photometric=photometric,
                           interleave=interleave, jpeg_quality=quality, **layout)
        # Decoders round the cosine transform and upsampled colours each in their way.
        matrix.add(name, read, tolerance=6.0 if photometric == "YCBCR" else 2.0)
    for name, options in [("jpeg_4_alpha", {"photometric": "RGB", "alpha": "YES"}), ("webp_3", {}), ("webp_lossless", {"webp_lossless": True})]:
        values = np.concatenate([smooth, smooth[:1]]) if "4" in name else smooth
        codec = "WEBP" if "webp" in name else "JPEG"
        read = matrix.gdal(name + ".tif", values, check=False, compress=codec, interleave="pixel", tiled=True, blockxsize=32, blockysize=32, **options)
        matrix.add(name + ".tif", read, tolerance=0.0 if "lossless" in name else 6.0)
    read = matrix.gdal("webp_4.tif", np.concatenate([rgb, rgb[:1] // 2 + 60]), compress="WEBP", webp_lossless=True,
                       interleave="pixel", tiled=True, blockxsize=32, blockysize=32, photometric="RGB", alpha="YES")
    matrix.add("webp_4.tif", read)
    for subsampling in [(1, 1), (2, 1), (2, 2)]:
        name = f"tifffile_jpeg_ycbcr_{subsampling[0]}{subsampling[1]}.tif"
        tifffile.imwrite(matrix.out / name, np.moveaxis(smooth, 0, -1), photometric="rgb", compression="jpeg",
                         compressionargs={"level": 92}, subsampling=subsampling, tile=(32, 32))
        with rasterio.open(matrix.out / name) as file:
            matrix.add(name, file.read(), tolerance=6.0)
    # Left-out blocks.
    for codec, tiled, interleave, nodata in itertools.product(["NONE", "DEFLATE", "LZW"], [False, True], ["pixel", "band"], [None, 7]):
        values = content("uint16", 2, 70, 50)
        values[:, 16:32] = nodata or 0
        values[:, :, :32] = nodata or 0
        name = f"sparse_{codec}_{'tile' if tiled else 'strip'}_{interleave}_{nodata}.tif"
        layout = {"tiled": True, "blockxsize": 16, "blockysize": 16} if tiled else {"blockysize": 16}
        matrix.gdal(name, values, compress=codec, interleave=interleave, sparse_ok=True, nodata=nodata, **layout)
        matrix.add(name, values, missing=None if nodata is None else values == nodata)
    # Missing samples.
    for dtype, nodata in [("int16", -9999), ("uint16", 65535), ("uint16", 0), ("uint8", 255), ("float32", -3.4028234663852886e38),
                          ("float32", float("nan")), ("float64", -1e300), ("int32", -2147483648), ("uint32", 4294967295), ("float32", -9999.0)]:
        values = content(dtype, 3, 40, 30)
        values[0, 5:9, 4:20] = nodata
        values[:, 20:, 30:] = nodata
        name = f"nodata_{dtype}_{nodata}.tif"
        matrix.gdal(name, values, check=nodata == nodata, compress="DEFLATE", nodata=nodata)
        with np.errstate(over="ignore"):
            expected = values.astype("float32")
        matrix.add(name, expected, missing=np.isnan(expected) | np.isinf(expected) if nodata != nodata or nodata < -1e38 and dtype == "float64" else values == nodata)
    # Masks inside the file.
    for codec, tiled in itertools.product(["NONE", "DEFLATE", "LZW"], [False, True]):
        mask = np.full((43, 61), 255, "uint8")
        mask[10:20, 30:] = 0
        name = f"mask_{codec}_{'tile' if tiled else 'strip'}.tif"
        layout = {"tiled": True, "blockxsize": 32, "blockysize": 16} if tiled else {}
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            matrix.gdal(name, rgb, compress=codec, after=lambda file: file.write_mask(mask), **layout)
        matrix.add(name, rgb, missing=(mask == 0)[None])
    # Few bits.
    for bits, bands, interleave, codec in itertools.product([1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 15], [1, 3], ["pixel", "band"], ["NONE", "DEFLATE"]):
        dtype = "uint8" if bits <= 8 else "uint16"
        values = np.random.default_rng(bits).integers(0, 1 << bits, (bands, 11, 29)).astype(dtype)
        name = f"nbits{bits}_{bands}_{interleave}_{codec}.tif"
        matrix.gdal(name, values, nbits=bits, compress=codec, interleave=interleave, photometric="MINISBLACK")
        matrix.add(name, values)
    # White as zero: 255 minus the stored value. GDAL gives the stored ones.
    for dtype, codec in itertools.product(["uint8", "uint16"], ["NONE", "LZW"]):
        values = content(dtype, 1, 37, 29)
        name = f"miniswhite_{dtype}_{codec}.tif"
        matrix.gdal(name, values, photometric="MINISWHITE", compress=codec)
        matrix.add(name, np.iinfo(dtype).max - values)
    # Palettes.
    for bits, codec in itertools.product([8, 4], ["NONE", "DEFLATE"]):
        index = (content("uint16", 1, 37, 29) // 400 % (1 << bits)).astype("uint8")
        colours = {at: ((at * 37) % 256, (at * 91 + 5) % 256, 255 - at, 255) for at in range(1 << bits)}
        name = f"palette_{bits}_{codec}.tif"
        matrix.gdal(name, index, photometric="PALETTE", compress=codec, nbits=bits, after=lambda file: file.write_colormap(1, colours))
        table = np.array([colours[at][:3] for at in range(1 << bits)], "uint8")
        matrix.add(name, np.moveaxis(table[index[0]], -1, 0))
    # Extra samples of every kind.
    for kinds, planar, dtype in itertools.product(
        [["unspecified"], ["assocalpha"], ["unassalpha"], ["unspecified", "unassalpha"], ["unspecified"] * 5], ["contig", "separate"], ["uint8", "uint16"]
    ):
        values = content(dtype, 3 + len(kinds), 37, 29)
        name = f"extra_{'_'.join(kinds)}_{planar}_{dtype}.tif"
        data = values if planar == "separate" else np.moveaxis(values, 0, -1)
        tifffile.imwrite(matrix.out / name, data, photometric="rgb", planarconfig=planar, extrasamples=kinds, tile=(16, 16), compression="zlib")
        matrix.add(name, values, alpha=[at for at, kind in enumerate(kinds, 3) if "alpha" in kind])
    # The other order of bits: GDAL writes, this script turns the bits of every block, GDAL reads it again.
    turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
    for codec, dtype in itertools.product(["NONE", "LZW", "PACKBITS", "DEFLATE"], ["uint8", "uint16"]):
        values = content(dtype, 1, 37, 29)
        name = f"fillorder_{codec}_{dtype}.tif"
        matrix.gdal(name, values, compress=codec, blockysize=29)

        def turn(data, entries):
            at, length = entries[273][3], entries[279][3]
            data[at : at + length] = bytes(data[at : at + length]).translate(turned)
            place = entries[339][0] if 339 in entries else entries[284][0]
            # One tag that says nothing new (the format of unsigned samples) becomes FillOrder, in its right place.
            rest = sorted((struct.unpack_from("<H", data, entry[0])[0], bytes(data[entry[0] : entry[0] + 12])) for entry in entries.values() if entry[0] != place)
            rest.append((266, struct.pack("<HHII", 266, 3, 1, 2)))
            first = min(entry[0] for entry in entries.values())
            data[first : first + 12 * len(rest)] = b"".join(entry for _, entry in sorted(rest))

        tags(name, turn)
        with rasterio.open(matrix.out / name) as file:
            assert np.array_equal(file.read(), values), name
        matrix.add(name, values)
    # What GDAL says of bands.
    def described(file):
        file.descriptions = ("B02", "B03 & more", "B04", "B08")
        file.scales, file.offsets = (2.75e-5,) * 4, (-0.2,) * 4
        file.colorinterp = [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined]

    values = content("uint16", 4, 37, 29)
    matrix.gdal("described.tif", values, after=described)
    matrix.add("described.tif", values, descriptions=["B02", "B03 & more", "B04", "B08"], scale=2.75e-5, offset=-0.2, alpha=[])
    for name, interp in [("alpha_uint16", True), ("no_alpha_uint16", False)]:
        def four(file, interp=interp):
            file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha if interp else ColorInterp.undefined]
        matrix.gdal(name + ".tif", values, after=four)
        matrix.add(name + ".tif", values, alpha=[3] if interp else [])
    # Half precision by GDAL.
    values = content("float32", 2, 37, 29).astype("float16").astype("float32")
    for predictor in [1, 3]:
        matrix.gdal(f"nbits16_float_p{predictor}.tif", values, nbits=16, compress="DEFLATE", predictor=predictor)
        matrix.add(f"nbits16_float_p{predictor}.tif", values)
    # LERC, exact and with a limited error, packed once more or not, and what it keeps as masks: what is no number, alpha.
    for dtype, bands, interleave, codec, error, tiled in itertools.product(
        ["uint8", "int8", "uint16", "int16", "int32", "float32", "float64"], [1, 3], ["pixel", "band"],
        ["LERC", "LERC_DEFLATE", "LERC_ZSTD"], [0, 2], [False, True],
    ):
        if (DTYPES.index(dtype) + bands + len(codec) + error + tiled + len(interleave)) % (7 if small else 2):
            continue
        values = content(dtype, bands, 61, 43)
        if np.dtype(dtype).kind == "f":
            values[:, 7:11, 20:40] = np.nan
        name = f"lerc_{dtype}_{bands}_{interleave}_{codec}_{error}_{'tile' if tiled else 'strip'}.tif"
        layout = {"tiled": True, "blockxsize": 32, "blockysize": 16} if tiled else {"blockysize": 9}
        read = matrix.gdal(name, values, check=False, compress=codec, max_z_error=error, interleave=interleave, **layout)
        assert error or np.array_equal(read, values, equal_nan=np.dtype(dtype).kind == "f"), name
        matrix.add(name, read, missing=np.isnan(read) if np.dtype(dtype).kind == "f" else None)
    for endian in ["LITTLE", "BIG"]:
        values = content("uint16", 2, 61, 43)
        matrix.gdal(f"lerc_{endian}.tif", values, compress="LERC", endianness=endian)
        matrix.add(f"lerc_{endian}.tif", values)
    values = np.concatenate([rgb, np.where(rgb[:1] > 60, 255, 0).astype("uint8")])
    read = matrix.gdal("lerc_alpha.tif", values, check=False, compress="LERC", photometric="RGB", alpha="YES", interleave="pixel")
    matrix.add("lerc_alpha.tif", read)
    # Refused, by name.
    for codec, word in [("LZMA", "LZMA"), ("JXL", "JPEG XL")]:
        try:
            matrix.gdal(f"refused_{codec}.tif", rgb, check=False, compress=codec)
        except Exception:
            continue
        matrix.refuse(f"refused_{codec}.tif", word)
    for dtype in ["complex64", "complex128"]:
        matrix.gdal(f"refused_{dtype}.tif", rgb.astype(dtype))
        matrix.refuse(f"refused_{dtype}.tif", "complex")
    matrix.gdal("refused_ccitt.tif", (rgb[:1] > 90).astype("uint8"), nbits=1, compress="CCITTFAX4")
    matrix.refuse("refused_ccitt.tif", "CCITT")
    matrix.gdal("refused_cmyk.tif", np.concatenate([rgb, rgb[:1]]), check=False, photometric="CMYK")
    matrix.refuse("refused_cmyk.tif", "CMYK")
    matrix.gdal("refused_lab.tif", rgb, check=False, photometric="CIELAB")
    matrix.refuse("refused_lab.tif", "L*a*b*")
    # More pages than one: the first counts, overviews are passed over.
    tifffile.imwrite(matrix.out / "pages.tif", np.stack([rgb[0], rgb[1]]), photometric="minisblack")
    matrix.add("pages.tif", rgb[:1])
    matrix.gdal("overviews.tif", rgb, tiled=True, blockxsize=16, blockysize=16)
    with rasterio.open(matrix.out / "overviews.tif", "r+") as file:
        file.build_overviews([2, 4])
    matrix.add("overviews.tif", rgb)


def main():
    small = "--small" in sys.argv
    out = Path([argument for argument in sys.argv[1:] if not argument.startswith("-")][0])
    matrix = Matrix(out)
    if small:
        gdal_product(matrix, 60, [(21, 13)])
        tifffile_product(matrix, 40, [(21, 13)])
    else:
        gdal_product(matrix, 460, SIZES)
        tifffile_product(matrix, 320, SIZES)
    special(matrix, small)
    matrix.finish()


main()
