"""Downloads the publications of ARK and of providers of analyst notes. Nothing else in qotgate downloads
data, and only ``qotgate fetch`` calls this.

``client`` makes polite requests, ``files`` checks the answers, ``folder`` stores them unchanged; ``ark``,
``ratings`` and ``yahoo`` each know one kind of publisher. Stored files are then read like any other file.
"""
