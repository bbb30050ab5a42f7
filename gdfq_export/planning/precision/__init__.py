"""Which nodes are quantized and which stay float: a choice by error of the outputs and by time."""
