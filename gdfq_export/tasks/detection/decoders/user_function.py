"""A function of the user that decodes: `--decode package.module:function`."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.errors import InputError
from gdfq_export.tasks.detection.decoders.decoder import ImageSize
from gdfq_export.tasks.detection.detections import Detections
from gdfq_export.tasks.outputs import DecodeFunction, OutputArrays


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFunction:
    """Calls the function for one image at a time."""

    image_size: ImageSize
    function: DecodeFunction

    @property
    def title(self) -> str:
        """Whose boxes these are."""
        return f"boxes as {self.function.__name__} decodes them"

    def __call__(self, outputs: OutputArrays) -> list[Detections]:
        """Decode image by image.

        Raises:
            InputError: the function fails, or returns something else.
        """
        return [self._decode([output[index : index + 1] for output in outputs]) for index in range(len(outputs[0]))]

    def _decode(self, outputs: OutputArrays) -> Detections:
        shapes = ", ".join(str(list(output.shape)) for output in outputs)
        try:
            boxes, scores, classes = self.function(outputs, self.image_size)
            return Detections.of(boxes, scores, classes)
        except Exception as error:  # any: it is the user's own code
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"the function {self.function.__name__} of --decode failed on outputs of shape {shapes} "
                f"({type(error).__name__}: {reason}); it takes a list of arrays and (height, width), and returns boxes "
                "[M, 4] as left, top, right, bottom, scores [M] and classes [M]"
            ) from error
