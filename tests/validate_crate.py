"""Run by the validator's own Python: what it says of a crate under a profile at a severity, as JSON lines.

    .venv-crate/bin/python tests/validate_crate.py FOLDER PROFILE SEVERITY

Nothing is downloaded: RO-Crate 1.1's JSON-LD context is the one that rocrate ships.
"""

import json
import sys
from importlib.resources import files
from tempfile import TemporaryDirectory

from requests_cache import CachedRequest, CachedResponse, CachedSession
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings


def keep_context(cache: str) -> None:
    """Put the context into the validator's HTTP cache, as if it had been downloaded."""
    content = files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
    url = json.loads(content)["@id"]
    asked, headers = CachedRequest(method="GET", url=url), {"Content-Type": "application/ld+json"}
    answer = CachedResponse(content=content, headers=headers, request=asked, status_code=200, url=url)
    CachedSession(cache, backend="sqlite").cache.save_response(answer)


def main(folder: str, profile: str, severity: str) -> None:
    with TemporaryDirectory() as temporary:
        keep_context(f"{temporary}/cache")
        settings = ValidationSettings(
            rocrate_uri=folder,
            profile_identifier=profile,
            requirement_severity=Severity[severity],
            cache_path=f"{temporary}/cache",
            offline=True,
        )
        for issue in services.validate(settings).get_issues():
            print(json.dumps({"check": issue.check.identifier, "of": issue.violatingEntity, "says": issue.message}))


if __name__ == "__main__":
    main(*sys.argv[1:])
