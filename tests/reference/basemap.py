"""Land and borders of Natural Earth, 1:110 million, as the page's locator draws them.

usage: python3 tests/reference/basemap.py countries-110m.json public/basemap/world.bin

The input is that of the npm package world-atlas 2 (ISC; Natural Earth itself is in the public domain). The output is little endian:
two u16, the numbers of rings of land and of border lines, then each line as a u16, its number of points, and as many pairs of i16,
longitude and latitude in hundredths of a degree.
"""

import json
import struct
import sys


def arcs_of(topology):
    (scale_x, scale_y), (shift_x, shift_y) = topology["transform"]["scale"], topology["transform"]["translate"]
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            points.append((x * scale_x + shift_x, y * scale_y + shift_y))
        yield points


def polygons(geometry):
    if geometry["type"] == "Polygon":
        return [geometry["arcs"]]
    if geometry["type"] == "MultiPolygon":
        return geometry["arcs"]
    return [part for member in geometry.get("geometries", []) for part in polygons(member)]


def main(source, target):
    topology = json.load(open(source))
    arcs = list(arcs_of(topology))

    def stitched(ring):
        points = []
        for index in ring:
            arc = arcs[index] if index >= 0 else arcs[~index][::-1]
            points += arc[1:] if points else arc
        return points

    land = [stitched(ring) for polygon in polygons(topology["objects"]["land"]) for ring in polygon]
    # An arc of two countries is the border between them.
    users = {}
    for number, country in enumerate(topology["objects"]["countries"]["geometries"]):
        for polygon in polygons(country):
            for ring in polygon:
                for index in ring:
                    users.setdefault(index if index >= 0 else ~index, set()).add(number)
    borders = [arcs[index] for index, countries in sorted(users.items()) if len(countries) > 1]

    out = bytearray(struct.pack("<HH", len(land), len(borders)))
    for line in land + borders:
        out += struct.pack("<H", len(line))
        for longitude, latitude in line:
            out += struct.pack("<hh", round(longitude * 100), round(latitude * 100))
    open(target, "wb").write(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
