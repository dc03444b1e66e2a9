"""The work of `trainer gather` as one would write it in Python: pystac-client finds the scenes, rasterio reads the windows,
threads wait for both. Prints pictures a second.

    python3 gather.py API_URL PLACES.geojson --reference-date 2021-10-01 --out DIR [--threads 16] [--json FILE]

PLACES.geojson is what `trainer gather --dry-run` wrote: the places and the shift of their dates. Needs pystac-client,
rasterio, numpy.
"""
import argparse
import concurrent.futures as futures
import datetime as dt
import hashlib
import json
import pathlib
import threading
import time

import numpy as np
import pystac_client
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import transform
from rasterio.windows import Window

KEYS = {"B1": "B01", "B2": "B02", "B3": "B03", "B4": "B04", "B5": "B05", "B6": "B06", "B7": "B07", "B8": "B08", "B8A": "B8A",
        "B9": "B09", "B11": "B11", "B12": "B12"}
SIDE = 2640
local = threading.local()


def window(href, west, north):
    with rasterio.open(href) as file:
        metres = file.transform.a
        px = round(SIDE / metres)
        at = Window(round((west - file.transform.c) / metres), round((file.transform.f - north) / metres), px, px)
        return file.read(1, window=at, boundless=False) if at.col_off >= 0 and at.row_off >= 0 and \
            at.col_off + px <= file.width and at.row_off + px <= file.height else None


def code(item):
    return item.properties.get("proj:code") or f"EPSG:{item.properties['proj:epsg']}"


def scene(item, west, north, out):
    scl = window(item.assets["SCL"].href, west, north)
    if scl is None or (scl == 0).any() or np.isin(scl, (8, 9, 10)).any():
        return None
    offset = 1000 if float(item.properties["s2:processing_baseline"]) >= 4 else 0
    epsg = code(item)
    digests = {}
    for band, key in KEYS.items():
        values = window(item.assets[key].href, west, north)
        if (values == 0).any():
            return None
        values = np.maximum(values.astype(np.int32) - offset, 0).astype(np.uint16)
        digests[band] = hashlib.sha256(values.tobytes()).hexdigest()
        if out:
            path = out / f"{item.datetime:%Y%m%dT%H%M%S}" / f"{band}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            metres = SIDE / values.shape[0]
            with rasterio.open(path, "w", driver="GTiff", dtype="uint16", count=1, height=values.shape[0], width=values.shape[1],
                               crs=epsg, transform=from_origin(west, north, metres, metres), compress="deflate", predictor=2, zlevel=1) as file:
                file.write(values, 1)
    return digests


def place(number, feature, args):
    if not hasattr(local, "client"):
        local.client = pystac_client.Client.open(args.api)
    lon, lat = feature["geometry"]["coordinates"]
    reference = dt.datetime.fromisoformat(args.reference_date).replace(tzinfo=dt.timezone.utc)
    done = {}
    for tooth in range(5):
        centre = reference - dt.timedelta(days=feature["properties"]["shift_days"] + 84 * tooth)
        span = f"{centre - dt.timedelta(days=7.5):%Y-%m-%dT%H:%M:%SZ}/{centre + dt.timedelta(days=7.5):%Y-%m-%dT%H:%M:%SZ}"
        items = list(local.client.search(collections=["sentinel-2-l2a"], bbox=[lon - .01, lat - .01, lon + .01, lat + .01],
                                         datetime=span, query={"eo:cloud_cover": {"lt": 10}}, limit=100).items())
        items.sort(key=lambda item: (-item.datetime.timestamp(), item.id))
        found = None
        for item in items:
            (x,), (y,) = transform("EPSG:4326", code(item), [lon], [lat])
            west, north = round((x - SIDE / 2) / 60) * 60, round((y + SIDE / 2) / 60) * 60
            found = scene(item, west, north, args.out and args.out / f"{number:06}")
            if found:
                done[item.datetime.strftime("%Y%m%dT%H%M%S")] = found
                break
        if not found:
            return None
    return done


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("api")
    parser.add_argument("places", type=pathlib.Path)
    parser.add_argument("--reference-date", required=True)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--json", type=pathlib.Path, help="checksums of the pixels of every band")
    args = parser.parse_args()
    features = json.loads(args.places.read_text())["features"]
    begin = time.perf_counter()
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", CPL_VSIL_CURL_ALLOWED_EXTENSIONS=".tif", GDAL_HTTP_MULTIPLEX="NO",
                      GDAL_INGESTED_BYTES_AT_OPEN="16384", VSI_CACHE="TRUE"):
        with futures.ThreadPoolExecutor(args.threads) as pool:
            results = list(pool.map(lambda pair: place(*pair, args), enumerate(features)))
    seconds = time.perf_counter() - begin
    whole = [result for result in results if result]
    pictures = sum(map(len, whole))
    print(f"{len(whole)} of {len(features)} places, {pictures} pictures in {seconds:.1f} s: {pictures / seconds:.2f} pictures/s")
    if args.json:
        args.json.write_text(json.dumps(results))


main()
