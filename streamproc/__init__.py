"""streamproc: sales events in Kafka become live KPIs. Start reading at `streamproc/pipeline.py`."""

__version__ = "0.2.0"
