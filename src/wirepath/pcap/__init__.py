"""Reading and writing captures: pcap and pcapng files."""

from wirepath.pcap.reader import Capture, Frame, read_capture
from wirepath.pcap.writer import CaptureWriter

__all__ = ["Capture", "CaptureWriter", "Frame", "read_capture"]
