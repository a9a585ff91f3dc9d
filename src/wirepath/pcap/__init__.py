"""Captures: pcap and pcapng files, read at disk speed and written."""

from wirepath.pcap.reader import Capture, Frame, read_capture
from wirepath.pcap.writer import CaptureWriter

__all__ = ["Capture", "CaptureWriter", "Frame", "read_capture"]
