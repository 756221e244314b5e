"""Reads every golden event with the generated types, and compares what they hold with what was read."""

import importlib
import json
import pkgutil
import sys
from datetime import datetime

import events  # the generated package

for module in pkgutil.iter_modules(events.__path__):
    importlib.import_module("events." + module.name)

with open("events.json", encoding="utf-8") as f:
    index = json.load(f)

TIMES = {"opened_at", "last_chunk_at", "deadline_at", "ended_at", "since", "at", "expires_at"}


def instants(members):
    """Times have several spellings. Equal ones compare as equal."""
    return {k: datetime.fromisoformat(v) if k in TIMES and isinstance(v, str) else v for k, v in members}


models = {}
for typ in index["Types"]:
    model = getattr(importlib.import_module("events." + typ["Schema"]), typ["Type"])
    names = {field.alias or name for name, field in model.model_fields.items()}
    if names != set(typ["Properties"]):
        sys.exit(f"{typ['Type']} has the fields {sorted(names)}, want {sorted(typ['Properties'])}")
    models[typ["Schema"]] = model

for event in index["Events"]:
    with open(f"golden/{event['Schema']}/{event['Name']}.json", encoding="utf-8") as f:
        value = json.load(f)
    read = models[event["Schema"]].model_validate(value)
    # What no field holds is not in the dump.
    held = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if json.loads(json.dumps(held), object_pairs_hook=instants) != json.loads(json.dumps(value), object_pairs_hook=instants):
        sys.exit(f"{event['Schema']} {event['Name']}: the fields hold {held}, the event is {value}")
print(len(index["Events"]))
