"""Captures: pcap and pcapng files, read at disk speed and written."""

from wirepath.capture.reader import Capture, Frame, read_capture
from wirepath.capture.writer import CaptureWriter

__all__ = ["Capture", "CaptureWriter", "Frame", "read_capture"]
