"""Downloading what ARK and the providers of analyst notes publish. Nothing else in qotgate asks the network
for data, and nothing calls this but ``qotgate fetch``.

``client`` asks politely, ``files`` decides what an answer is, ``kept`` keeps it as it came; ``ark``,
``ratings`` and ``yahoo`` each know one kind of publisher. What is kept is read like any other file.
"""
