"""Reads a Parquet object with DuckDB and with ClickHouse, and prints what each of them sees as JSON. Bytes are in hexadecimal digits."""
import json
import sys

import chdb
import duckdb

file = sys.argv[1]
times = ["timestamp", "ce_time", "received_at", "sent_at"]
hexed = ["key", "key_binary", "value", "value_binary"]
plain = ["offset", "ce_id", "ce_type", "ce_source", "replay", "waba_id", "phone_number_id", "display_phone_number", "kind", "wamid", "original_wamid", "thread",
         "group_id", "contact_id", "contact_user_id", "contact_name", "direction", "type", "status", "historical", "sync_window", "sync_state", "account_event", "field"]
parts = ["key", "value", "key_binary", "value_binary"]


def select(milliseconds, headers):
    columns = [f'"{c}"' for c in plain] + [f'{milliseconds}("{c}") AS "{c}_ms"' for c in times] + [f'hex("{c}") AS "{c}_hex"' for c in hexed]
    return "SELECT " + ", ".join(columns + [headers + " AS headers_hex"])


def duck():
    columns = [row[0] for row in duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet('{file}')").fetchall()]
    fields = ", ".join(f"hex(h.{p})" for p in parts)
    query = select("epoch_ms", f"list_transform(headers, lambda h: [{fields}])") + f" FROM read_parquet('{file}') ORDER BY \"offset\""
    r = duckdb.sql(query)
    return {"columns": columns, "rows": [dict(zip(r.columns, row)) for row in r.fetchall()]}


def click():
    table = f"file('{file}', 'Parquet')"
    columns = [json.loads(line)["name"] for line in str(chdb.query(f"DESCRIBE {table}", "JSONEachRow")).splitlines() if line]
    fields = ", ".join(f"hex(h.{i + 1})" for i in range(len(parts)))
    query = select("toUnixTimestamp64Milli", f"arrayMap(h -> [{fields}], headers)") + f" FROM {table} ORDER BY \"offset\" SETTINGS output_format_json_quote_64bit_integers=0"
    return {"columns": columns, "rows": [json.loads(line) for line in str(chdb.query(query, "JSONEachRow")).splitlines() if line]}


print(json.dumps({"DuckDB": duck(), "ClickHouse": click()}))
