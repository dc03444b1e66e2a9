"""A STAC API over the items of `gather_archive.py`, by stac-fastapi with the items in memory: search by posting or in the
address, with paging. Files are served by anything that answers ranges, such as nginx.

    python3 gather_server.py ARCHIVE --files http://127.0.0.1:8090 --port 8091

Needs stac-fastapi.api, stac-fastapi.extensions, uvicorn.
"""
import argparse
import datetime as dt
import json
import pathlib
import posixpath

import attr
import uvicorn
from stac_fastapi.api.app import StacApi
from stac_fastapi.api.models import create_get_request_model, create_post_request_model
from stac_fastapi.extensions import QueryExtension, TokenPaginationExtension
from stac_fastapi.types.config import ApiSettings
from stac_fastapi.types.core import BaseCoreClient

parser = argparse.ArgumentParser()
parser.add_argument("archive", type=pathlib.Path)
parser.add_argument("--files", default="http://127.0.0.1:8090")
parser.add_argument("--port", type=int, default=8091)
parser.add_argument("--page", type=int, default=0, help="at most this many items a page, whatever is asked for")
args = parser.parse_args()

ITEMS = []
for path in sorted((args.archive / "sentinel-2-l2a").glob("*/*.json")):
    item = json.loads(path.read_text())
    folder = path.parent.relative_to(args.archive).as_posix()
    for asset in item["assets"].values():
        asset["href"] = args.files + "/" + posixpath.normpath(posixpath.join(folder, asset["href"]))
    item["links"] = []
    item["when"] = dt.datetime.fromisoformat(item["properties"]["datetime"].replace("Z", "+00:00"))
    ITEMS.append(item)
ITEMS.sort(key=lambda item: item["when"], reverse=True)
COLLECTION = json.loads((args.archive / "sentinel-2-l2a" / "collection.json").read_text())
COLLECTION["links"] = []


def find(bbox, interval, query, limit, token):
    since, until = (dt.datetime.fromisoformat(part.replace("Z", "+00:00")) for part in interval.split("/"))
    west, south, east, north = bbox
    most = ((query or {}).get("eo:cloud_cover") or {}).get("lt", 101)
    found = [
        {key: value for key, value in item.items() if key != "when"}
        for item in ITEMS
        if since <= item["when"] <= until and item["properties"]["eo:cloud_cover"] < most
        and item["bbox"][0] <= east and west <= item["bbox"][2] and item["bbox"][1] <= north and south <= item["bbox"][3]
    ]
    start, count = int(token or 0), min(limit or 10, args.page or 10_000)
    links = []
    if start + count < len(found):
        links.append({"rel": "next", "token": str(start + count)})
    return found[start:start + count], links


@attr.s
class Memory(BaseCoreClient):
    def all_collections(self, **kwargs):
        return {"collections": [COLLECTION], "links": []}

    def get_collection(self, collection_id, **kwargs):
        return COLLECTION

    def get_item(self, item_id, collection_id, **kwargs):
        return next(item for item in ITEMS if item["id"] == item_id)

    def item_collection(self, collection_id, **kwargs):
        return {"type": "FeatureCollection", "features": [], "links": []}

    def post_search(self, search_request, **kwargs):
        body = json.loads(search_request.model_dump_json(exclude_none=True))
        interval = body["datetime"]
        items, links = find(body["bbox"], interval, body.get("query"), body.get("limit"), body.get("token"))
        base = str(kwargs["request"].base_url)
        links = [{"rel": "next", "method": "POST", "href": base + "search", "body": {**body, "token": link["token"]}} for link in links]
        return {"type": "FeatureCollection", "features": items, "links": links}

    def get_search(self, **kwargs):
        raise NotImplementedError


extensions = [QueryExtension(), TokenPaginationExtension()]
api = StacApi(
    settings=ApiSettings(enable_response_models=False),
    client=Memory(),
    extensions=extensions,
    search_get_request_model=create_get_request_model(extensions),
    search_post_request_model=create_post_request_model(extensions),
)
# Callers that compute between searches keep their connections.
uvicorn.run(api.app, port=args.port, log_level="error", timeout_keep_alive=60)
