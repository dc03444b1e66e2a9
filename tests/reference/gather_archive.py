"""A small Sentinel-2 archive like the public ones, for trying `trainer gather` against readers and writers of others: COGs
by GDAL (rasterio) and a static STAC catalog by pystac. `gather_server.py` makes an API of it.

    python3 gather_archive.py OUT --km 24 --scenes 160 --every 5                                     for measuring
    python3 gather_archive.py OUT --km 6 --scenes 16 --every 6 --content 3 --block 128 --grain 0 --cloud-px 60 --expect 60
    tar --sort=name --owner=0 --group=0 --mtime=@0 -C OUT -cf trainer/gather/tests/archive.tar .             the tests' own

Needs rasterio, pystac, numpy, pyproj. The scenes are made up; projections, grids, overviews, block sizes, predictors,
"no data", the two processing baselines and their offset, clouds and missing dates are as in the real archives.
"""
import argparse
import datetime as dt
import hashlib
import json
import pathlib
import zlib

import numpy as np
import pystac
import rasterio
from pyproj import Transformer
from rasterio.io import MemoryFile
from rasterio.shutil import copy as rio_copy
from rasterio.transform import from_origin

BANDS = {
    "B1": ("B01", 60), "B2": ("B02", 10), "B3": ("B03", 10), "B4": ("B04", 10), "B5": ("B05", 20), "B6": ("B06", 20),
    "B7": ("B07", 20), "B8": ("B08", 10), "B8A": ("B8A", 20), "B9": ("B09", 60), "B11": ("B11", 20), "B12": ("B12", 20),
}


def field(rng, px, scale, grain):
    """Smooth ground with some grain, so that it compresses as pictures do."""
    coarse = rng.normal(size=(px // scale + 3, px // scale + 3)).astype(np.float32)
    at = np.arange(px, dtype=np.float32) / scale
    low, part = at.astype(int), at % 1
    rows = coarse[low] * (1 - part)[:, None] + coarse[low + 1] * part[:, None]
    whole = rows[:, low] * (1 - part) + rows[:, low + 1] * part
    return whole + grain * rng.normal(size=(px, px)).astype(np.float32)


def write_cog(path, values, west, north, metres, epsg, block):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = dict(driver="GTiff", dtype=values.dtype, count=1, height=values.shape[0], width=values.shape[1],
                   crs=f"EPSG:{epsg}", transform=from_origin(west, north, metres, metres), nodata=0)
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(values, 1)
        with memory.open() as file:
            rio_copy(file, path, driver="COG", compress="DEFLATE", predictor="YES", blocksize=block, level=6,
                     overview_resampling="nearest" if values.dtype == np.uint8 else "average")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--km", type=float, default=30.0, help="side of a scene")
    parser.add_argument("--block", type=int, default=512)
    parser.add_argument("--from-day", default="2021-10-01")
    parser.add_argument("--scenes", type=int, default=60, help="dates of each tile")
    parser.add_argument("--every", type=float, default=10, help="days between dates")
    parser.add_argument("--content", type=int, default=6, help="different pictures a tile; dates share them")
    parser.add_argument("--grain", type=float, default=0.15, help="noise of the ground; without any, files are small")
    parser.add_argument("--cloud-px", type=int, default=150, help="size of clouds, pixels of 20 m")
    parser.add_argument("--expect", type=int, default=0, help="write expected.json: this many windows as rasterio reads them")
    parser.add_argument("--asset-style", choices=["s2", "earth-search"], default="s2")
    args = parser.parse_args()
    # Two neighbouring tiles of one flight with a shared edge, one far south.
    tiles = {
        "33UWP": (32633, 600000, 5340000), "33UXP": (32633, 600000 + int(args.km * 250) * 3 // 60 * 60, 5340000),
        "21HUB": (32721, 360000, 6180000),
    }
    catalog = pystac.Catalog("test", "made-up scenes")
    collection = pystac.Collection("sentinel-2-l2a", "made-up scenes", extent=pystac.Extent(
        pystac.SpatialExtent([[-180, -90, 180, 90]]), pystac.TemporalExtent([[None, None]])))
    catalog.add_child(collection)
    names = ["coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16", "swir22"]
    for number, (tile, (epsg, west, north)) in enumerate(tiles.items()):
        side = int(args.km * 1000)
        unproject = Transformer.from_crs(epsg, 4326, always_xy=True)
        corners = [unproject.transform(west + dx, north - dy) for dx, dy in [(0, 0), (side, 0), (side, side), (0, side)]]
        lons, lats = [lon for lon, _ in corners], [lat for _, lat in corners]
        for content in range(args.content):
            rng = np.random.default_rng([number, content])
            ground = field(np.random.default_rng([number, 40]), side // 10, 40 if args.grain else 120, args.grain)
            clouds = field(rng, side // 20, args.cloud_px, args.grain) > 1.1 + 0.25 * content
            scl = np.where(clouds, 9, 4).astype(np.uint8)
            if content % 3 == 1 and tile != "21HUB":
                scl[:, -(side // 120):] = 0  # the flight's edge
            write_cog(args.out / tile / str(content) / "SCL.tif", scl, west, north, 20, epsg, args.block)
            offset = 1000 if content % 2 else 0
            for at, (band, (key, metres)) in enumerate(BANDS.items()):
                step = metres // 10
                values = 1500 + 250 * at + 400 * ground[::step, ::step] + 120 * content + offset
                values = np.clip(values, 1, 12000).astype(np.uint16)
                if args.grain == 0:
                    values = values // 160 * 160 + 7
                if content % 3 == 1 and tile != "21HUB":
                    values[:, -(side // 120 * 20 // metres):] = 0
                write_cog(args.out / tile / str(content) / f"{key}.tif", values, west, north, metres, epsg, args.block)
        begin = dt.datetime.fromisoformat(args.from_day).replace(tzinfo=dt.timezone.utc) - dt.timedelta(days=args.scenes * args.every)
        for scene in range(args.scenes):
            content = (scene * 7 + zlib.crc32(tile.encode())) % args.content
            # Neighbours of one flight are seconds apart.
            moment = begin + dt.timedelta(days=scene * args.every, hours=10, seconds=7 * number)
            item = pystac.Item(
                f"S2A_{tile}_{moment:%Y%m%d}_{scene}", bbox=[min(lons), min(lats), max(lons), max(lats)], datetime=moment,
                geometry={"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
                properties={"eo:cloud_cover": float((scene * 13) % 40) / 2, "proj:epsg": epsg, "platform": "sentinel-2a",
                            "s2:processing_baseline": "04.00" if content % 2 else "03.01"})
            for at, (band, (key, _)) in enumerate(BANDS.items()):
                name = key if args.asset_style == "s2" else names[at]
                item.add_asset(name, pystac.Asset(f"../../{tile}/{content}/{key}.tif"))
            item.add_asset("SCL" if args.asset_style == "s2" else "scl", pystac.Asset(f"../../{tile}/{content}/SCL.tif"))
            collection.add_item(item)
    # Relative links, so that it can be served from anywhere; assets are given relative to their items.
    catalog.normalize_hrefs(str(args.out))
    for item in catalog.get_items(recursive=True):
        folder = pathlib.Path(item.get_self_href()).parent
        for asset in item.assets.values():
            target = args.out / pathlib.Path(asset.href).relative_to("../..")
            asset.href = str(pathlib.Path(*[".."] * len(folder.relative_to(args.out).parts)) / target.relative_to(args.out))
    catalog.save(catalog_type=pystac.CatalogType.SELF_CONTAINED)
    if args.expect:
        expect(args)


def expect(args):
    """Windows of some files as rasterio reads them: sums that no other order or offset of pixels gives."""
    rng = np.random.default_rng(5)
    paths = sorted(path for path in args.out.rglob("*.tif"))
    rows = []
    for path in rng.choice(paths, args.expect):
        with rasterio.open(path) as file:
            metres = file.transform.a
            px = round(480 / metres)
            # Some windows reach over the edge of the file: what lies outside is 0.
            west = file.transform.c + 60 * int(rng.integers(-4, file.width * metres // 60 - 4))
            north = file.transform.f - 60 * int(rng.integers(-4, file.height * metres // 60 - 4))
            window = rasterio.windows.Window(round((west - file.transform.c) / metres), round((file.transform.f - north) / metres), px, px)
            values = file.read(1, window=window, boundless=True, fill_value=0).astype("<u2")
        rows.append({"path": str(path.relative_to(args.out)), "west": west, "north": north, "side": 480, "px": px,
                     "valid": int((values != 0).sum()), "sha256": hashlib.sha256(values.tobytes()).hexdigest()})
    (args.out / "expected.json").write_text(json.dumps(rows, indent=1) + "\n")


main()
