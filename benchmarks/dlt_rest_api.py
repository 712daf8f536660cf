"""dlt's `rest_api` source reads the feedback of a sandbox, as dlt's documentation shows it; runs in dlt's own environment.

python benchmarks/dlt_rest_api.py URL KEY FOLDER extract|load
"""

import sys

import dlt
from dlt.sources.rest_api import rest_api_source


def main(url: str, key: str, folder: str, step: str) -> None:
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{url}/api/v2/",
                "headers": {"Authorization": f"api_key={key}"},
                "paginator": {"type": "page_number", "base_page": 1, "total_path": None},
            },
            "resources": [
                {
                    "name": "feedback",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {"path": "feedback", "params": {"limit": 1000}, "data_selector": "data.responses"},
                }
            ],
        }
    )
    destination = dlt.destinations.duckdb(f"{folder}/dlt.duckdb")
    pipeline = dlt.pipeline("retently", pipelines_dir=folder, destination=destination, dataset_name="retently")
    if step == "extract":
        pipeline.extract(source)
    else:
        pipeline.run(source)


if __name__ == "__main__":
    main(*sys.argv[1:])
