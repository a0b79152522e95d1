module portcullis.example/portcullis

go 1.19
