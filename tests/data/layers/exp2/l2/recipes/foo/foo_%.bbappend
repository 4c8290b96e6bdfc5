GREETING .= " app%"
