"""Send calls with HealthChain's client; it runs in HealthChain's own environment, which has none of our packages.

Reads {"url", "tokens", "calls": [{"workflow", "context", "prefetch"}]} from stdin and prints the answers. Its own model
of a card must take each card. HealthChain signs nothing, so each request gets a token; the rest is its own.
"""

import json
import sys

import httpx
from healthchain.models.responses.cdsresponse import Card
from healthchain.sandbox.requestconstructors import CdsRequestConstructor
from healthchain.sandbox.sandboxclient import SandboxClient
from healthchain.sandbox.workflows import Workflow

job = json.load(sys.stdin)
tokens = iter(job["tokens"])
original = httpx.Client


class Signed(original):
    """Client that adds the next token to each request."""

    def __init__(self, **options):
        super().__init__(**options)
        self.event_hooks = {"request": [self._sign]}

    @staticmethod
    def _sign(request):
        request.headers["authorization"] = f"Bearer {next(tokens)}"


httpx.Client = Signed
client = SandboxClient(job["url"], "encounter-discharge")
for call in job["calls"]:
    request = CdsRequestConstructor().construct_request(call["prefetch"], Workflow(call["workflow"]), call["context"])
    client.requests.append(request)
answers = client.send_requests()
cards = [card for answer in answers for card in answer.get("cards", [])]
for card in cards:
    # Its model requires a field that the standard makes optional.
    links = [{"autoLaunchable": None, **link} for link in card.get("links", [])]
    suggestions = [{"isRecommended": None, **each} for each in card.get("suggestions", [])]
    Card(**{**card, "links": links, "suggestions": suggestions or None})
json.dump(answers, sys.stdout)
