"""How a gateway lives as processes: settings, log, listening sockets, workers, reload, handover."""
