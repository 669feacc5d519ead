{{/*
Pod of `helm test`: it sends GET (or POST with `body`) to `url` until the answer contains `expect`, for up to a
minute. A refusal counts as an answer, with its status in front. It runs the component's own image, so that tests need no other image.
*/}}
{{- define "common.testPod" -}}
{{- with .context -}}
apiVersion: v1
kind: Pod
metadata: {{- include "common.hookMetadata" . | replace (printf "name: %s\n" (include "common.fullname" .)) (printf "name: %s-%s\n" (include "common.fullname" .) .test) | nindent 2 }}
spec:
  restartPolicy: Never
  {{- include "common.pod" . | nindent 2 }}
  containers:
    - name: test
      {{- include "common.container" . | nindent 6 }}
      command: [python, -c]
      args:
        - |
          import sys, time, urllib.error, urllib.request
          url, expected, body = sys.argv[1:]
          request = urllib.request.Request(url, body.encode() or None, {"content-type": "application/json"})
          answer, deadline = "", time.monotonic() + 60
          while time.monotonic() < deadline:
              try:
                  answer = urllib.request.urlopen(request, timeout=10).read().decode()
                  if expected in answer:
                      sys.exit(print(f"{url}: {answer[:300]}"))
              except urllib.error.HTTPError as error:
                  answer = f"{error.code} {error.read().decode()[:500]}"
                  if expected in answer:
                      sys.exit(print(f"{url}: {answer[:300]}"))
              except OSError as error:
                  answer = str(error)
              time.sleep(2)
          sys.exit(f"{url}: no {expected!r} in: {answer[:500]}")
        - {{ $.url | quote }}
        - {{ $.expect | quote }}
        - {{ $.body | default "" | quote }}
  {{- include "common.volumes" . | nindent 2 }}
{{- end }}
{{- end }}
