"""What every answer tells browsers; apart, since the replica and the ingress in front of it both send it."""

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Of all that is no page, which brings a policy of its own: nothing in it may run or load anything.
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
