import json
import time

from odoo import http
from odoo.http import request

# A batch is held below one MiB, and one message alone may be longer.
MAX_BYTES = 8 * 1024 * 1024
MAX_MESSAGES = 50


class QuittanceNews(http.Controller):
    """Where Quittance's news arrives. What a request may do is decided by its signature alone."""

    @http.route("/payment/quittance/news", type="http", auth="public", methods=["POST"], csrf=False, save_session=False)
    def news(self):
        length = request.httprequest.content_length
        if length is not None and length > MAX_BYTES:
            return self._refuse(413, "the batch is too large")
        body = request.httprequest.get_data()
        if len(body) > MAX_BYTES:
            return self._refuse(413, "the batch is too large")
        news = request.env["quittance.news"]
        providers = news._find_signers(request.httprequest.headers, body, time.time())
        if not providers:
            return self._refuse(401, "the signature is not accepted, or its time is off")
        batch = self._parse(body)
        if batch is None:
            return self._refuse(400, "this is no batch of messages")
        provider = news._find_addressee(providers, batch)
        if not provider:
            return self._refuse(403, "the batch is for another database or company")
        # Nothing was written yet. A transaction sees what was there when it began: the one that applies begins now.
        request.env.cr.rollback()
        return request.make_json_response(
            {"database": batch["database"], "results": news._take_in(provider, batch["messages"])}
        )

    @staticmethod
    def _refuse(status, reason):
        return request.make_json_response({"error": reason}, status=status)

    @staticmethod
    def _parse(body):
        """The batch that a body holds, or None."""
        try:
            batch = json.loads(body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(batch, dict) or batch.get("type") != "batch":
            return None
        messages = batch.get("messages")
        if not isinstance(messages, list) or len(messages) > MAX_MESSAGES:
            return None
        for message in messages:
            if not isinstance(message, dict) or not isinstance(message.get("id"), str) or not message["id"]:
                return None
            if not isinstance(message.get("type"), str):
                return None
        return batch
